"""Redirect URIs: which ones a client may register, and which requests match (RFC 8252, 9700)."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

MAX_LENGTH = 1024
MAX_REGISTERED = 50  # by one client
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

# A browser runs or shows what these name, instead of opening an application.
_NOT_OF_APPLICATIONS = frozenset(
    "javascript data vbscript file blob about filesystem view-source".split()  # noqa: SIM905
)
# Of applications that are MCP clients. Other schemes that anybody may name must have a dot, as the
# reversed name of a domain has (RFC 8252 §7.1): systems give their own programs schemes without.
KNOWN_SCHEMES = frozenset(
    "antigravity claude cursor goose jetbrains kiro vscode vscode-insiders vscodium"  # noqa: SIM905
    " warp windsurf zed".split()
)
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+")  # RFC 3986 §2, without #
_ON_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::([0-9]{1,5}))?([/?].*)?")
_MAX_PORT = 65_535


def require_registrable(uri: str) -> str:
    """The URI, if a client may register it; `ValueError` otherwise.

    `https`, `http` on loopback only (RFC 8252 §7.3), or a scheme of an application (§7.1).
    """
    if "#" in uri:
        raise ValueError("may not have a fragment")
    if len(uri) > MAX_LENGTH or not _CHARACTERS.fullmatch(uri):
        raise ValueError(f"must be a URI of at most {MAX_LENGTH} characters (RFC 3986)")
    try:
        parts = urlsplit(uri)
        _ = parts.port, parts.hostname
    except ValueError:
        raise ValueError("is not a valid URI") from None
    scheme, host = parts.scheme, parts.hostname
    for is_wrong, problem in (
        ("@" in parts.netloc, "may not have user information"),
        (not uri.startswith(f"{scheme}:"), "must have its scheme in lower case"),
        (scheme in {"https", "http"} and not host, "must name a host"),
        (
            scheme == "http" and host not in LOOPBACK,
            "may be http on 127.0.0.1, [::1] and localhost only; use https",
        ),
        (
            scheme in {"", *_NOT_OF_APPLICATIONS},
            "must begin with https:// or the scheme of an application",
        ),
    ):
        if is_wrong:
            raise ValueError(problem)
    return uri


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Whether `uri` is a registered one, byte for byte but for the port on loopback."""
    return without_port(uri) in map(without_port, registered)


def without_port(uri: str) -> str:
    """The URI; without its port on loopback, where applications choose one (RFC 8252 §7.3)."""
    match = _ON_LOOPBACK.fullmatch(uri)
    if match is None or int(match[2] or 0) > _MAX_PORT:
        return uri
    return match[1] + (match[3] or "")


def is_of_a_web_server(uri: str) -> bool:
    """Whether only the owner of a host name can receive what is sent there (RFC 8252 §8.6)."""
    return uri.startswith("https://")


def is_for_self_registered(uri: str) -> bool:
    """Whether a client that nobody has checked may have it: the web, loopback or a known scheme."""
    scheme = uri.partition(":")[0]
    return scheme in {"https", "http"} | KNOWN_SCHEMES or "." in scheme


def is_of_an_application(uri: str) -> bool:
    """Whether it opens a program that has registered its scheme with the system."""
    return not uri.startswith(("https://", "http://"))
