"""Finds the token endpoint in the metadata of the issuer (RFC 8414)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from issuer.client.addresses import parsed, require_safe
from issuer.client.errors import TokenUnavailable

READ_AGAIN_AFTER = 3600.0
_WELL_KNOWN = "/.well-known/oauth-authorization-server"


@dataclass(frozen=True, slots=True)
class DiscoveredEndpoint:
    """Where tokens are requested, and whether a secret may be sent by HTTP Basic there."""

    url: str
    takes_basic: bool


def require_issuer(issuer: str) -> None:
    """`ValueError` unless this can be the URL of an issuer (RFC 8414 §2) that is safe to ask."""
    if parsed(issuer, "issuer").query or "?" in issuer or "#" in issuer:
        raise ValueError("issuer may have no query and no fragment (RFC 8414 §2).")
    require_safe(issuer, "issuer")


def metadata_url(issuer: str) -> str:
    """RFC 8414 §3.1: the well-known path comes before the path of the issuer."""
    url = httpx.URL(issuer)
    return str(url.copy_with(path=_WELL_KNOWN + url.path.rstrip("/")))


def token_endpoint(issuer: str, metadata: dict[str, Any]) -> DiscoveredEndpoint:
    """Of this issuer, byte for byte (RFC 8414 §3.3); `TokenUnavailable` for unusable metadata."""
    where = metadata_url(issuer)
    if metadata.get("issuer") != issuer:
        other = str(metadata.get("issuer"))[:200]
        raise TokenUnavailable(f"{where} is of another issuer, {other!r}, not {issuer!r}.")
    url = metadata.get("token_endpoint")
    try:
        require_safe(url if isinstance(url, str) else "", "token_endpoint")
    except ValueError as error:
        raise TokenUnavailable(f"{where} names no usable endpoint: {str(error)[:200]}") from None
    return DiscoveredEndpoint(str(url), _takes_basic(metadata))


def _takes_basic(metadata: dict[str, Any]) -> bool:
    """Also if the metadata does not say (RFC 8414 §2)."""
    methods = metadata.get("token_endpoint_auth_methods_supported")
    return not isinstance(methods, Iterable) or (
        "client_secret_basic" in methods or "client_secret_post" not in methods
    )
