"""The request for a drill."""

import httpx
from pydantic import Field

from issuer.errors import InvalidField
from issuer.fields.fields import Fields
from issuer.fields.ids import AudienceId
from issuer.settings import Settings, is_loopback
from issuer.vocabulary import SigningAlgorithm

_PORTS = 65_536


class DrillRequest(Fields):
    """Check each of `verifiers`; then, with `rotate`, activate the next key if all checks pass.

    A verifier that requires a token gets one of the client for the audience. `alg` defaults to
    that of the audience, or to the first of ISSUER_SIGNING_ALGORITHMS.
    """

    verifiers: list[str] = Field(min_length=1)
    jwks_url: str | None = None
    client_id: str | None = None
    audience: AudienceId | None = None
    alg: SigningAlgorithm | None = None
    rotate: bool = False


def address(field: str, text: str, settings: Settings) -> httpx.URL:
    """A URL that may receive a token; else `InvalidField`, which does not repeat the URL."""
    try:
        url = httpx.URL(text)
        host = url.host  # decoded only on access
    except (httpx.InvalidURL, UnicodeError):
        raise InvalidField(field, "must be a URL") from None
    if url.userinfo:
        raise InvalidField(field, "must be a URL without credentials: URLs are printed")
    if url.scheme not in {"http", "https"} or not host:
        raise InvalidField(field, "must be an https:// URL with a host")
    if url.port is not None and not 0 < url.port < _PORTS:
        raise InvalidField(field, "has an invalid port")
    if url.scheme == "http" and not (is_loopback(host) or settings.dangerously_allow_http):
        raise InvalidField(
            field,
            "must be https:// on anything but loopback;"
            " ISSUER_DANGEROUSLY_ALLOW_HTTP=true allows it",
        )
    return url
