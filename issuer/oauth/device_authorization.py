"""The device authorization endpoint (RFC 8628 §3.1)."""

from dataclasses import asdict

from issuer.oauth.client_authentication import METHODS
from issuer.oauth.messages import AuthenticatedRequest, OAuthError, OAuthResponse
from issuer.sign_in.device_codes import DeviceCodes
from issuer.sign_in.parameters import InvalidParameter
from issuer.vocabulary import ErrorCode

DEVICE_AUTHORIZATION_PATH = "/oauth2/device_authorization"


class DeviceAuthorization:
    """Gives a client codes: one to ask with, and one that the user enters at `page_url`."""

    name = "device_authorization"
    path = DEVICE_AUTHORIZATION_PATH
    methods = METHODS
    is_for_scripts = False

    def __init__(self, device_codes: DeviceCodes, page_url: str) -> None:
        self._device_codes = device_codes
        self._page_url = page_url

    def answer(self, request: AuthenticatedRequest) -> OAuthResponse:
        """The device authorization response (§3.2)."""
        try:
            issued = self._device_codes.issue(request.client, request.parameters, request.actor)
        except InvalidParameter as error:
            raise OAuthError(ErrorCode(error.error.value), error.description) from None
        complete = f"{self._page_url}?user_code={issued.user_code}"
        places = {"verification_uri": self._page_url, "verification_uri_complete": complete}
        return OAuthResponse(200, {**asdict(issued), **places})
