"""The device authorization endpoint (RFC 8628 §3.1)."""

from dataclasses import asdict, dataclass

from issuer.oauth.client_authentication import METHODS
from issuer.oauth.client_endpoint import ClientEndpoint
from issuer.oauth.messages import AuthenticatedRequest, OAuthError, OAuthResponse
from issuer.sign_in.device_codes import DeviceCodes
from issuer.sign_in.parameters import InvalidParameter
from issuer.vocabulary import ErrorCode

DEVICE_AUTHORIZATION_PATH = "/oauth2/device_authorization"


@dataclass(eq=False, repr=False)
class DeviceAuthorization(ClientEndpoint):
    """Gives a client codes: one to ask with, and one that the user enters at `page_url`."""

    name = "device_authorization"
    path = DEVICE_AUTHORIZATION_PATH
    methods = METHODS
    is_for_scripts = False

    _device_codes: DeviceCodes
    _page_url: str

    def answer(self, request: AuthenticatedRequest) -> OAuthResponse:
        """The device authorization response (§3.2)."""
        try:
            issued = self._device_codes.issue(request.client, request.parameters, request.actor)
        except InvalidParameter as error:
            raise OAuthError(ErrorCode(error.error.value), error.description) from None
        complete = f"{self._page_url}?user_code={issued.user_code}"
        places = {"verification_uri": self._page_url, "verification_uri_complete": complete}
        return OAuthResponse(200, {**asdict(issued), **places})
