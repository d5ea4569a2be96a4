"""Client authentication (RFC 6749 §2.3): one file a method, one line in `METHODS`."""

from issuer.clients.authentication import ClientAuthentication
from issuer.directory import ClientRecord, SecretRecord
from issuer.errors import InvalidCredentials
from issuer.oauth.client_authentication import client_secret_basic, client_secret_post
from issuer.oauth.client_authentication.presented import PresentedSecret
from issuer.oauth.errors import OAuthError
from issuer.oauth.request import ProtocolRequest
from issuer.vocabulary import ErrorCode

METHODS = {
    "client_secret_basic": client_secret_basic.presented,
    "client_secret_post": client_secret_post.presented,
}


def authenticate_client(
    request: ProtocolRequest, authentication: ClientAuthentication
) -> tuple[ClientRecord, SecretRecord]:
    """The client that sent the request, and its secret.

    `OAuthError` `invalid_client` otherwise, the same for every cause.
    """
    presented = _presented(request)
    request.claimed_client_id = presented.client_id
    if request.parameters.get("client_id", presented.client_id) != presented.client_id:
        raise OAuthError(
            ErrorCode.INVALID_REQUEST, "The request names one client and authenticates another."
        )
    try:
        return authentication.authenticate(
            presented.client_id, presented.secret, may_query=request.may_query
        )
    except InvalidCredentials as error:
        raise _unauthenticated(error.reason) from None


def _presented(request: ProtocolRequest) -> PresentedSecret:
    found = [one for method in METHODS.values() if (one := method(request)) is not None]
    if len(found) > 1:
        raise OAuthError(
            ErrorCode.INVALID_REQUEST, "Use one method of client authentication, not several."
        )
    if not found:
        raise _unauthenticated("no credentials")
    return found[0]


def _unauthenticated(reason: str) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_CLIENT, "Client authentication failed.", reason=reason)
