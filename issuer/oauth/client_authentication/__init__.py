"""Client authentication (RFC 6749 §2.3): one file per method, one line in `METHODS`."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from issuer.oauth.client_authentication import client_secret_basic, client_secret_post, none
from issuer.oauth.client_authentication.presented import PresentedClient
from issuer.oauth.errors import OAuthError, invalid_client
from issuer.oauth.request import ParsedRequest
from issuer.vocabulary import ErrorCode

Methods: TypeAlias = Mapping[str, Callable[[ParsedRequest], PresentedClient | None]]

METHODS: Methods = {
    "client_secret_basic": client_secret_basic.presented,
    "client_secret_post": client_secret_post.presented,
    "none": none.presented,
}
# For endpoints that only confidential clients may use.
WITH_CREDENTIALS: Methods = {name: METHODS[name] for name in METHODS if name != "none"}


def presented_client(request: ParsedRequest, methods: Methods) -> PresentedClient:
    """The client that the request authenticates by one of the `methods`, not yet checked.

    `OAuthError` if there is none, or if the request uses several methods or names two clients.
    """
    found = [one for method in methods.values() if (one := method(request)) is not None]
    if len(found) > 1:
        raise OAuthError(
            ErrorCode.INVALID_REQUEST, "Use one method of client authentication, not several."
        )
    if not found:
        raise invalid_client("no credentials")
    (presented,) = found
    if request.parameters.get("client_id", presented.client_id) != presented.client_id:
        raise OAuthError(
            ErrorCode.INVALID_REQUEST,
            "The request names one client and authenticates another.",
            target=presented.client_id,
        )
    return presented
