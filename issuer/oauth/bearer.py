"""Errors of endpoints that take an access token (RFC 6750 §3)."""

from issuer.oauth.errors import OAuthError
from issuer.vocabulary import ErrorCode

NO_STORE = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]


class BearerError(OAuthError):
    """An error as RFC 6750 §3.1 has it; without `code` for a request without a token."""

    def __init__(self, code: str, description: str, status: int = 401, scope: str = "") -> None:
        super().__init__(ErrorCode.INVALID_REQUEST, description, status=status)
        self.error = code
        self._scope = scope

    def get_headers(self) -> list[tuple[str, str]]:
        members = {"error": self.error, "error_description": self.description}
        members |= {"scope": self._scope} if self._scope else {}
        shown = members if self.error else {}
        challenge = ", ".join(['realm="issuer"', *(f'{k}="{v}"' for k, v in shown.items())])
        return [*NO_STORE, ("WWW-Authenticate", f"Bearer {challenge}")]

    def get_body(self) -> dict[str, object]:
        return super().get_body() if self.error else {}
