"""The device authorization grant (RFC 8628 §3.4)."""

from dataclasses import dataclass

from issuer.oauth.grants.authorization_code import CodeGrant
from issuer.oauth.messages import AuthenticatedRequest, OAuthError, as_invalid_grant
from issuer.sign_in.codes_store import AuthorizationCode
from issuer.sign_in.device_codes import DeviceCodes
from issuer.vocabulary import ErrorCode, GrantType

_SAID = {
    ErrorCode.AUTHORIZATION_PENDING: "The user has not answered yet.",
    ErrorCode.SLOW_DOWN: "Wait 5 seconds longer between requests from now on.",
    ErrorCode.ACCESS_DENIED: "The user denied it, or what was allowed has ended.",
    ErrorCode.EXPIRED_TOKEN: "The device code has expired.",
}


@dataclass(eq=False, repr=False)
class DeviceCodeGrant(CodeGrant):
    """A client on a device for a user who allowed it in a browser elsewhere.

    What the user allowed is stored as an authorization code, so that it ends with what ends codes.
    """

    grant_type = GrantType.DEVICE_CODE
    wrong = "The device code cannot be used."

    _device_codes: DeviceCodes

    def find(self, request: AuthenticatedRequest, text: str) -> AuthorizationCode:
        """What the user allowed; `invalid_grant`, or an error of §3.5."""
        with as_invalid_grant(self.wrong):
            found = self._device_codes.poll(text, request.client.client_id)
        if isinstance(found, ErrorCode):
            raise OAuthError(found, _SAID[found])
        return found

    def _require_verifier(self, request: AuthenticatedRequest, code: AuthorizationCode) -> None:
        """None: the device code itself was never in a browser."""
