"""RFC 6749 §5.2 errors: what the caller is told, and apart from it what the log is told."""

from authlib.oauth2 import OAuth2Error

from issuer.errors import Unavailable
from issuer.vocabulary import ErrorCode

_STATUS = {
    ErrorCode.INVALID_CLIENT: 401,
    ErrorCode.SERVER_ERROR: 500,
    ErrorCode.TEMPORARILY_UNAVAILABLE: 503,
}
_LONGEST_QUOTE = 100

TOO_MANY_REQUESTS = 429  # RFC 6585 §4


class OAuthError(OAuth2Error):  # type: ignore[misc]
    """An answer that refuses. `reason` never leaves the house."""

    def __init__(
        self,
        code: ErrorCode,
        description: str,
        *,
        reason: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(description, error=code.value, status_code=status or _STATUS.get(code))
        self.reason = reason or description
        self.retry_after = retry_after

    def get_headers(self) -> list[tuple[str, str]]:
        """RFC 6749 §5.1 for every answer, RFC 6749 §5.2 for a client that did not authenticate."""
        headers: list[tuple[str, str]] = super().get_headers()
        if self.error == ErrorCode.INVALID_CLIENT:
            headers.append(("WWW-Authenticate", 'Basic realm="issuer"'))
        if self.retry_after is not None:
            headers.append(("Retry-After", str(self.retry_after)))
        return headers


def unavailable(error: Unavailable) -> OAuthError:
    """The answer of a server that cannot answer now."""
    return OAuthError(
        ErrorCode.TEMPORARILY_UNAVAILABLE,
        "The server cannot answer now.",
        reason=str(error),
        retry_after=error.retry_after,
    )


def quoted(text: str) -> str:
    """What a caller sent, in the characters an `error_description` may have, and bounded."""
    cut = text[:_LONGEST_QUOTE] + ("..." if len(text) > _LONGEST_QUOTE else "")
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in cut)
