"""The syntax of fields that hold URLs, as pydantic types."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from issuer.errors import InvalidField
from issuer.fields import redirect_uris
from issuer.fields.fields import without_repeats
from issuer.fields.ids import is_audience_id, is_principal_id, principal_id

_CLIENT_URL = re.compile(r"https://[A-Za-z0-9._~@+|:/?&=%!$'()*,;-]{1,247}")

MAX_RESOURCES = 20


def is_client_id(text: str) -> bool:
    """Whether a client can have this id: as a user, or the URL of its metadata document."""
    return is_principal_id(text) or _CLIENT_URL.fullmatch(text) is not None


def require_https(member: str, url: str, own_url: str) -> None:
    """`InvalidField` for a plain http URL, unless this issuer has one as well."""
    if url.startswith("http://") and urlsplit(own_url).scheme != "http":
        raise InvalidField(member, "must be https: only with an http ISSUER_URL it may be http")


def _client_id(text: str) -> str:
    return text if _CLIENT_URL.fullmatch(text) else principal_id(text)


def _resource(text: str) -> str:
    """RFC 8707 §2, without the slash at its end, which requests may have or not."""
    resource = text.removesuffix("/")
    if not (is_audience_id(resource) and resource.startswith(("https://", "http://"))):
        raise ValueError("must be a URL of at most 255 characters, without query and fragment")
    return resource


ClientId = Annotated[str, AfterValidator(_client_id)]
RedirectUris = Annotated[
    list[Annotated[str, AfterValidator(redirect_uris.checked)]],
    Field(max_length=redirect_uris.MAX_REGISTERED),
    AfterValidator(without_repeats),
]
Resources = Annotated[
    list[Annotated[str, AfterValidator(_resource)]],
    Field(max_length=MAX_RESOURCES),
    AfterValidator(without_repeats),
]
