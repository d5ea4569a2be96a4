"""What a drill is asked to do."""

import httpx
from pydantic import Field

from issuer.errors import InvalidField
from issuer.fields import AudienceId, Fields
from issuer.settings import Settings, is_loopback
from issuer.vocabulary import SigningAlgorithm

_PORTS = 65_536


class DrillRequest(Fields):
    """Ask each of `verifiers`; then, with `rotate`, have the new key sign if all is well.

    A verifier that wants a token is shown one of the client for the audience. `alg` is the
    audience's, or the first of the house, unless given.
    """

    verifiers: list[str] = Field(min_length=1)
    jwks_url: str | None = None
    client_id: str | None = None
    audience: AudienceId | None = None
    alg: SigningAlgorithm | None = None
    rotate: bool = False


def address(field: str, text: str, settings: Settings) -> httpx.URL:
    """Where a token may be sent; `InvalidField` for what is no such URL, without repeating it."""
    try:
        url = httpx.URL(text)
        host = url.host  # is decoded only now
    except (httpx.InvalidURL, UnicodeError):
        raise InvalidField(field, "must be a URL") from None
    if url.userinfo:
        raise InvalidField(field, "must be a URL without credentials: they would be seen")
    if url.scheme not in {"http", "https"} or not host:
        raise InvalidField(field, "must be an https:// URL with a host")
    if url.port is not None and not 0 < url.port < _PORTS:
        raise InvalidField(field, "has a port that no server can have")
    if url.scheme == "http" and not (is_loopback(host) or settings.dangerously_allow_http):
        raise InvalidField(
            field,
            "must be https:// on anything but loopback;"
            " ISSUER_DANGEROUSLY_ALLOW_HTTP=true allows it",
        )
    return url
