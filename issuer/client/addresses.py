"""URLs to which a secret or a token may be sent."""

import re

import httpx

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int | None]


def require_safe(url: str, what: str) -> None:
    """`ValueError` unless TLS or loopback protects what is sent to `url`."""
    parts = parsed(url, what)
    if not is_safe(parts):
        raise ValueError(f"{what} is not https:// and not on this machine: {url!r}.")


def parsed(url: str, what: str) -> httpx.URL:
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
    return url.scheme == "https" or (
        url.scheme == "http" and _LOOPBACK.fullmatch(url.host) is not None
    )


def origin_of(url: httpx.URL) -> Origin:
    """Scheme, host and port (RFC 6454 §4)."""
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme)


def shown(origin: Origin) -> str:
    """`https://os.example`, or with the port if it is not the usual one."""
    scheme, host, port = origin
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" + (f":{port}" if port != _PORTS.get(scheme) else "")
