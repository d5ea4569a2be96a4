"""Client authentication (RFC 6749 §2.3): one file per method, one line in `METHODS`."""

from issuer.oauth.client_authentication import client_secret_basic, client_secret_post
from issuer.oauth.client_authentication.presented import PresentedSecret
from issuer.oauth.errors import OAuthError, invalid_client
from issuer.oauth.request import ParsedRequest
from issuer.vocabulary import ErrorCode

METHODS = {
    "client_secret_basic": client_secret_basic.presented,
    "client_secret_post": client_secret_post.presented,
}


def presented_secret(request: ParsedRequest) -> PresentedSecret:
    """The client id and secret of the request, not yet checked.

    `OAuthError` if there are none, or if the request uses several methods or names two clients.
    """
    secrets = [one for method in METHODS.values() if (one := method(request)) is not None]
    if len(secrets) > 1:
        raise OAuthError(
            ErrorCode.INVALID_REQUEST, "Use one method of client authentication, not several."
        )
    if not secrets:
        raise invalid_client("no credentials")
    (presented,) = secrets
    if request.parameters.get("client_id", presented.client_id) != presented.client_id:
        raise OAuthError(
            ErrorCode.INVALID_REQUEST,
            "The request names one client and authenticates another.",
            target=presented.client_id,
        )
    return presented
