"""The syntax of fields that hold URLs, as pydantic types."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from issuer.errors import InvalidField
from issuer.fields import redirect_uris
from issuer.fields.fields import without_repeats
from issuer.fields.ids import is_audience_id, is_principal_id, principal_id
from issuer.fields.redirect_uris import LOOPBACK

_CLIENT_URL = re.compile(r"https://[A-Za-z0-9._~@+|:/?&=%!$'()*,;-]{1,247}")
_MAX_URL = 1024
_URL = re.compile(rf"(?=.{{1,{_MAX_URL}}}\Z)[a-z]+://[A-Za-z0-9._~:/\[\]@!$&'()*+,;=%-]+")

MAX_RESOURCES = 20


def is_client_id(text: str) -> bool:
    """Whether a client can have this id: as a user, or the URL of its metadata document."""
    return is_principal_id(text) or _CLIENT_URL.fullmatch(text) is not None


def require_https(member: str, url: str, own_url: str) -> None:
    """`InvalidField` for a plain http URL, unless this issuer has one as well."""
    if url.startswith("http://") and urlsplit(own_url).scheme != "http":
        raise InvalidField(member, "must be https: only with an http ISSUER_URL it may be http")


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
    list[Annotated[str, AfterValidator(redirect_uris.require_registrable)]],
    Field(max_length=redirect_uris.MAX_REGISTERED),
    AfterValidator(without_repeats),
]
Resources = Annotated[
    list[Annotated[str, AfterValidator(_resource)]],
    Field(max_length=MAX_RESOURCES),
    AfterValidator(without_repeats),
]
