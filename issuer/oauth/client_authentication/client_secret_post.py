"""Credentials in the form (RFC 6749 §2.3.1)."""

from issuer.oauth.client_authentication.presented import PresentedClient
from issuer.oauth.request import ParsedRequest


def presented(request: ParsedRequest) -> PresentedClient | None:
    """The credentials of the form, if it has a `client_secret`."""
    secret = request.parameters.get("client_secret")
    if secret is None:
        return None
    return PresentedClient(request.parameters.get("client_id", ""), secret)
