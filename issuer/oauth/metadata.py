"""Authorization server metadata (RFC 8414), computed from the registered grants and endpoints."""

import json
from urllib.parse import urlsplit

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from issuer.etags import etag_of
from issuer.oauth.authorization_server import IssuerAuthorizationServer
from issuer.oauth.client_authentication import METHODS
from issuer.oauth.revocation_feed import FEED_PATH
from issuer.settings import Settings

WELL_KNOWN = ("oauth-authorization-server", "openid-configuration")
TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path
JWKS_PATH = "/.well-known/jwks.json"
MAX_AGE = 300


def metadata(settings: Settings, server: IssuerAuthorizationServer) -> dict[str, object]:
    """The metadata document. `issuer` equals `ISSUER_URL` byte for byte (RFC 8414 §3.3)."""
    document = {
        "issuer": settings.url,
        "token_endpoint": settings.base_url + TOKEN_PATH,
        "jwks_uri": settings.base_url + JWKS_PATH,
        "revocations_uri": settings.base_url + FEED_PATH,
        "grant_types_supported": list(server.grants),
        "token_endpoint_auth_methods_supported": list(METHODS),
        **_endpoints(settings, server),
        "response_types_supported": [],
        "service_documentation": settings.base_url + "/docs",
    }
    return dict(AuthorizationServerMetadata(document))


def _endpoints(settings: Settings, server: IssuerAuthorizationServer) -> dict[str, object]:
    """The endpoints for authenticated clients, with their authentication methods."""
    members: dict[str, object] = {}
    for name, endpoint in server.endpoints.items():
        members[f"{name}_endpoint"] = settings.base_url + endpoint.PATH
        members[f"{name}_endpoint_auth_methods_supported"] = list(endpoint.METHODS)
    return members


def rendered(document: dict[str, object]) -> tuple[bytes, str]:
    """The document as served, and its strong ETag."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return body, etag_of(body)


def metadata_paths(settings: Settings) -> list[str]:
    """Every path of the document: RFC 8414 §3.1 puts the path of the issuer after the well-known
    part, OpenID Connect Discovery 1.0 §4 before it."""
    path = urlsplit(settings.base_url).path
    after = [f"/.well-known/{name}{path}" for name in WELL_KNOWN]
    before = [f"{path}/.well-known/{name}" for name in WELL_KNOWN]
    return list(dict.fromkeys(after + before))
