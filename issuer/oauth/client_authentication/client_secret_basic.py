"""HTTP Basic (RFC 6749 §2.3.1, RFC 7617)."""

import base64
import binascii
from urllib.parse import unquote

from issuer.http.requests import values_of
from issuer.oauth.client_authentication.presented import PresentedClient
from issuer.oauth.errors import OAuthError
from issuer.oauth.request import ParsedRequest
from issuer.vocabulary import ErrorCode


def presented(request: ParsedRequest) -> PresentedClient | None:
    """The credentials of the `Authorization` header; `invalid_request` if it cannot be read."""
    headers = values_of(request.form.headers, b"authorization")
    if len(headers) > 1:
        raise _unreadable()
    scheme, _, encoded = (headers[0] if headers else b"").decode("latin-1").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        # RFC 6749 §2.3.1 encodes id and secret as form values, so that there is one colon. Most
        # clients do not, so the id may contain colons; no secret of this issuer does. A plus
        # stays a plus, since no id and no secret contains a space.
        client_id, colon, secret = decoded.rpartition(":")
        client_id, secret = unquote(client_id, errors="strict"), unquote(secret, errors="strict")
    except (binascii.Error, ValueError):
        raise _unreadable() from None
    if not colon:
        raise _unreadable()
    return PresentedClient(client_id, secret)


def _unreadable() -> OAuthError:
    return OAuthError(ErrorCode.INVALID_REQUEST, "The Authorization header cannot be read.")
