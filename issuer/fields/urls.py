"""The syntax of URLs, as pydantic types, and which redirect URIs match (RFC 8252, RFC 9700)."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from issuer.errors import InvalidField
from issuer.fields.fields import without_repeats
from issuer.fields.ids import is_audience_id, is_principal_id, principal_id

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
_CLIENT_URL = re.compile(r"https://[A-Za-z0-9._~@+|:/?&=%!$'()*,;-]{1,247}")
_MAX_URL = 1024
_URL = re.compile(rf"(?=.{{1,{_MAX_URL}}}\Z)[a-z]+://[A-Za-z0-9._~:/\[\]@!$&'()*+,;=%-]+")
MAX_RESOURCES = 20
_VISIBLE = re.compile(r"[!-~]{1,2048}")
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")  # RFC 3986 §2.3
_DEFAULT_PORTS = {"https": 443, "http": 80}


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
        (scheme and not uri.startswith(f"{scheme}:"), "must have its scheme in lower case"),
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


def is_client_id(text: str) -> bool:
    """Whether a client can have this id: as a user, or the URL of its metadata document."""
    return is_principal_id(text) or _CLIENT_URL.fullmatch(text) is not None


def require_https(member: str, url: str, own_url: str) -> None:
    """`InvalidField` for a plain http URL, unless this issuer has one as well."""
    if url.startswith("http://") and urlsplit(own_url).scheme != "http":
        raise InvalidField(member, "must be https: only with an http ISSUER_URL it may be http")


@lru_cache(256)
def normalized_url(url: str) -> str | None:
    """The http URL without query and fragment, as RFC 3986 §6.2.2 and §6.2.3 normalize it.

    Equal for two URLs that name one resource. None for what is no such URL, or has user
    information.
    """
    if not _VISIBLE.fullmatch(url):
        return None
    try:
        parts = urlsplit(_ENCODED.sub(_decode_unreserved, url))
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc:
        return None
    host = f"[{host}]" if ":" in host else host
    shown_port = "" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}{_without_dot_segments(parts.path)}"


def _decode_unreserved(encoded: re.Match[str]) -> str:
    """RFC 3986 §6.2.2.2: what need not be encoded is not, and the rest is in upper case."""
    character = chr(int(encoded[1], 16))
    return character if _UNRESERVED.fullmatch(character) else encoded[0].upper()


def _without_dot_segments(path: str) -> str:
    """RFC 3986 §5.2.4, of an absolute or empty path."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1:] in (["."], [".."]):
        kept.append("")  # what is left names a folder
    return f"/{'/'.join(kept)}"


def _agentos_url(text: str) -> str:
    """Without the slash at its end. Whether it may be http depends on the settings."""
    url = text.rstrip("/")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a valid URL") from None
    is_plain = _URL.fullmatch(url) and parts.scheme in {"https", "http"} and parts.hostname
    if not is_plain or "@" in parts.netloc or set(parts.path.split("/")) & {".", ".."}:
        raise ValueError(
            f"must be an https URL of at most {_MAX_URL} characters, without user information,"
            " query and fragment"
        )
    return url


def require_protected(member: str, url: str, *, allow_http: bool) -> None:
    """`InvalidField` unless TLS or loopback protects what is sent there, or `allow_http`."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not allow_http and parts.hostname not in LOOPBACK:
        raise InvalidField(member, "must be https on anything but loopback: a token is sent there")


def _client_id(text: str) -> str:
    return text if _CLIENT_URL.fullmatch(text) else principal_id(text)


def _resource(text: str) -> str:
    """RFC 8707 §2, without the slash at its end, which requests may have or not."""
    resource = text.removesuffix("/")
    if not (is_audience_id(resource) and resource.startswith(("https://", "http://"))):
        raise ValueError("must be a URL of at most 255 characters, without query and fragment")
    return resource


AgentOSUrl = Annotated[str, AfterValidator(_agentos_url)]
ClientId = Annotated[str, AfterValidator(_client_id)]
RedirectUris = Annotated[
    list[Annotated[str, AfterValidator(require_registrable)]],
    Field(max_length=MAX_REGISTERED),
    AfterValidator(without_repeats),
]
Resources = Annotated[
    list[Annotated[str, AfterValidator(_resource)]],
    Field(max_length=MAX_RESOURCES),
    AfterValidator(without_repeats),
]
