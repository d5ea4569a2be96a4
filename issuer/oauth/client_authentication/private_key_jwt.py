"""An assertion that the client has signed (RFC 7521 §4.2, RFC 7523 §2.2)."""

import json
from base64 import urlsafe_b64decode

from issuer.oauth.client_authentication.presented import PresentedClient
from issuer.oauth.errors import OAuthError, invalid_client
from issuer.oauth.request import ParsedRequest
from issuer.vocabulary import CLIENT_ASSERTION_TYPE, ErrorCode


def presented(request: ParsedRequest) -> PresentedClient | None:
    """The assertion of the form; `invalid_request` without its type, which may be no other.

    The form may leave `client_id` out: then the assertion names the client (RFC 7521 §4.2).
    """
    parameters = request.parameters
    assertion = parameters.get("client_assertion")
    if assertion is None:
        return None
    client_id = parameters.get("client_id") or _unverified_subject(assertion)
    kind = parameters.get("client_assertion_type")
    if kind is None:
        raise OAuthError(
            ErrorCode.INVALID_REQUEST, "client_assertion_type is missing.", target=client_id
        )
    if kind != CLIENT_ASSERTION_TYPE:
        raise invalid_client("unknown client_assertion_type", client_id)
    return PresentedClient(client_id, None, assertion)


def _unverified_subject(assertion: str) -> str:
    """The `sub` of the assertion, which is no more than a claim to be that client."""
    try:
        payload = assertion.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, IndexError, RecursionError):
        return ""
    subject = claims.get("sub") if isinstance(claims, dict) else None
    return subject if isinstance(subject, str) else ""
