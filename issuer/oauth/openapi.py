"""The OpenAPI 3.1 description of the protocol endpoints, which are not FastAPI routes."""

from collections.abc import Iterable
from typing import Any

from issuer.oauth.authorization import AUTHORIZATION_PATH
from issuer.oauth.backchannel_logout import BACKCHANNEL_LOGOUT_PATH
from issuer.oauth.device_authorization import DEVICE_AUTHORIZATION_PATH
from issuer.oauth.introspection import Introspection
from issuer.oauth.logout import LOGOUT_PATH
from issuer.oauth.metadata import JWKS_PATH, TOKEN_PATH, metadata_paths
from issuer.oauth.openapi_endpoints import (
    REQUEST_ID,
    TAGS,
    TEXT,
    an_object,
    authorization,
    backchannel_logout,
    device_authorization,
    introspection,
    logout,
    refusal,
    registration,
    revocation,
    token,
    user_info,
)
from issuer.oauth.registration import REGISTRATION_PATH
from issuer.oauth.revocation import Revocation
from issuer.oauth.revocation_feed import FEED_MEDIA_TYPE, FEED_PATH
from issuer.oauth.user_info import USER_INFO_PATH
from issuer.settings import Settings


def protocol_paths(settings: Settings, grant_types: Iterable[str]) -> dict[str, Any]:
    """The `paths` of the protocol endpoints."""
    base = settings.base_path
    metadata = _document(
        "Authorization server metadata (RFC 8414)",
        "application/json",
        {"type": "object", "required": ["issuer", "token_endpoint", "jwks_uri"]},
    )
    is_off = settings.client_registration == "off"
    registration_path = {} if is_off else {base + REGISTRATION_PATH: {"post": registration()}}
    jwks = _document(
        "The key set for verifying tokens (RFC 7517)",
        "application/jwk-set+json",
        an_object({"keys": {"type": "array", "items": {"type": "object"}}}, ["keys"]),
    )
    return {
        base + AUTHORIZATION_PATH: authorization(),
        base + TOKEN_PATH: {"post": token(list(grant_types))},
        base + USER_INFO_PATH: user_info(),
        base + LOGOUT_PATH: logout(),
        base + BACKCHANNEL_LOGOUT_PATH: {"post": backchannel_logout()},
        base + Revocation.path: {"post": revocation()},
        base + Introspection.path: {"post": introspection()},
        base + DEVICE_AUTHORIZATION_PATH: {"post": device_authorization()},
        **registration_path,
        base + JWKS_PATH: {"get": jwks},
        base + FEED_PATH: {"get": _feed(settings.signing_algorithms)},
        **{path: {"get": metadata} for path in metadata_paths(base)},
    }


def security_schemes() -> dict[str, Any]:
    """How a client authenticates at the token endpoint, for `components`."""
    return {"client_secret_basic": {"type": "http", "scheme": "basic"}}


def _feed(algorithms: Iterable[str]) -> dict[str, Any]:
    described = _document("The revocation feed: a JWT of type revocations+jwt", FEED_MEDIA_TYPE)
    described["description"] = (
        "Signed by a key of the key set. Claims: `iss`, `iat`, `exp` and `revoked`. Members of"
        " `revoked`: `jti`, tokens with their `exp`; `sid`, families of refresh tokens with the"
        " `exp` of the last access token; `sub`, `client_id` and `aud`, each with a time T: tokens"
        " issued at or before T are revoked; `kid`, revoked keys. All times in whole seconds."
    )
    alg = {**TEXT, "enum": [str(alg) for alg in algorithms]}
    described["parameters"].append(
        {"name": "alg", "in": "query", "description": "Algorithm of the signing key", "schema": alg}
    )
    described["responses"]["400"] = refusal("Unsupported `alg`")
    described["responses"]["503"] = refusal("The database is unavailable", "Retry-After")
    return described


def _document(
    summary: str, media_type: str, schema: dict[str, Any] | None = None
) -> dict[str, Any]:
    cached = {name: {"schema": TEXT} for name in ("ETag", "Cache-Control")}
    return {
        "tags": TAGS,
        "summary": summary,
        "parameters": [{"name": "If-None-Match", "in": "header", "schema": TEXT}],
        "responses": {
            "200": {
                "description": "The document",
                "headers": {**REQUEST_ID, **cached},
                "content": {media_type: {"schema": schema} if schema else {}},
            },
            "304": {"description": "Not modified", "headers": REQUEST_ID},
        },
    }
