"""Public clients: only their id, in the form (RFC 6749 §3.2.1, RFC 7591 §2)."""

from issuer.http.requests import values_of
from issuer.oauth.client_authentication.presented import PresentedClient
from issuer.oauth.request import ParsedRequest


def presented(request: ParsedRequest) -> PresentedClient | None:
    """The client that the form names, if the request has no credentials of any kind."""
    client_id = request.parameters.get("client_id")
    has_credentials = "client_secret" in request.parameters or "client_assertion" in (
        request.parameters
    )
    if client_id is None or has_credentials or values_of(request.form.headers, b"authorization"):
        return None
    return PresentedClient(client_id, None)
