"""Client authentication (RFC 6749 §2.3): one file per method, one line in `METHODS`."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from issuer.oauth.client_authentication import (
    client_secret_basic,
    client_secret_post,
    none,
    private_key_jwt,
)
from issuer.oauth.client_authentication.presented import PresentedClient
from issuer.oauth.errors import OAuthError, invalid_client
from issuer.oauth.request import ParsedRequest
from issuer.vocabulary import ErrorCode

Methods: TypeAlias = Mapping[str, Callable[[ParsedRequest], PresentedClient | None]]

# For endpoints that only confidential clients may use.
WITH_CREDENTIALS: Methods = {
    "client_secret_basic": client_secret_basic.presented,
    "client_secret_post": client_secret_post.presented,
    "private_key_jwt": private_key_jwt.presented,
}
METHODS: Methods = {**WITH_CREDENTIALS, "none": none.presented}


def presented_client(request: ParsedRequest, methods: Methods) -> PresentedClient:
    """The client that the request authenticates by one of the `methods`, not yet checked.

    These are all, or all but `none`.

    `OAuthError` if there is none, or if the request uses several methods or names two clients.
    """
    with_credentials = WITH_CREDENTIALS.values()
    found = [one for method in with_credentials if (one := method(request)) is not None]
    if not found and "none" in methods and (public := none.presented(request)) is not None:
        found = [public]
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
