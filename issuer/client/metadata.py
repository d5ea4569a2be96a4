"""Finds the token endpoint in the metadata of the issuer (RFC 8414)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from issuer.client.errors import TokenUnavailable

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int | None]


def require_safe(url: str, what: str) -> None:
    """`ValueError` unless TLS or loopback protects what is sent to `url`."""
    parts = parse_url(url, what)
    if not is_safe(parts):
        raise ValueError(f"{what} is not https:// and not on this machine: {url!r}.")


def parse_url(url: str, what: str) -> httpx.URL:
    """An absolute URL of HTTP without user, password and fragment; `ValueError` otherwise."""
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, UnicodeError) as error:
        raise ValueError(f"{what} is not a URL: {error}.") from None
    if parts.scheme not in _PORTS or not parts.host or parts.userinfo or parts.fragment:
        raise ValueError(f"{what} is not an https:// URL without user, password and fragment.")
    return parts


def is_safe(url: httpx.URL) -> bool:
    """Whether TLS or loopback protects what is sent there."""
    is_here = _LOOPBACK.fullmatch(url.host) is not None
    return url.scheme == "https" or (url.scheme == "http" and is_here)


def origin_of(url: httpx.URL) -> Origin:
    """Scheme, host and port (RFC 6454 §4)."""
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme)


def origin_text(origin: Origin) -> str:
    """`https://os.example`, or with the port if it is not the usual one."""
    scheme, host, port = origin
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" + (f":{port}" if port != _PORTS.get(scheme) else "")


READ_AGAIN_AFTER = 3600.0
_WELL_KNOWN = "/.well-known/oauth-authorization-server"


@dataclass(frozen=True, slots=True)
class DiscoveredEndpoint:
    """Where tokens are requested, and whether a secret may be sent by HTTP Basic there."""

    url: str
    takes_basic: bool


def require_issuer(issuer: str) -> None:
    """`ValueError` unless this can be the URL of an issuer (RFC 8414 §2) that is safe to ask."""
    if parse_url(issuer, "issuer").query or "?" in issuer or "#" in issuer:
        raise ValueError("issuer may have no query and no fragment (RFC 8414 §2).")
    require_safe(issuer, "issuer")


def metadata_url(issuer: str) -> str:
    """RFC 8414 §3.1: the well-known path comes before the path of the issuer."""
    url = httpx.URL(issuer)
    return str(url.copy_with(path=_WELL_KNOWN + url.path.rstrip("/")))


def token_endpoint(issuer: str, metadata: dict[str, Any]) -> DiscoveredEndpoint:
    """The endpoint of this issuer, which the metadata names byte for byte (RFC 8414 §3.3).

    `TokenUnavailable` for metadata that cannot be used.
    """
    where = metadata_url(issuer)
    if metadata.get("issuer") != issuer:
        other = str(metadata.get("issuer"))[:200]
        raise TokenUnavailable(f"{where} is of another issuer, {other!r}, not {issuer!r}.")
    url = metadata.get("token_endpoint")
    try:
        require_safe(url if isinstance(url, str) else "", "token_endpoint")
    except ValueError as error:
        raise TokenUnavailable(f"{where} names no usable endpoint: {str(error)[:200]}") from None
    methods = metadata.get("token_endpoint_auth_methods_supported")
    if not isinstance(methods, Iterable):  # by default it takes Basic (RFC 8414 §2)
        return DiscoveredEndpoint(str(url), takes_basic=True)
    takes_basic = "client_secret_basic" in methods or "client_secret_post" not in methods
    return DiscoveredEndpoint(str(url), takes_basic)
