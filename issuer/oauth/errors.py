"""RFC 6749 §5.2 errors: the description for the caller and, separately, the reason for the log."""

from authlib.oauth2 import OAuth2Error

from issuer.clients.authentication import PREFIX as CLIENT_SECRET
from issuer.errors import TooManyRequests, Unavailable
from issuer.fields.urls import is_client_id
from issuer.refresh_tokens import PREFIX as REFRESH_TOKEN
from issuer.vocabulary import ErrorCode

_STATUS = {
    ErrorCode.INVALID_CLIENT: 401,
    ErrorCode.SERVER_ERROR: 500,
    ErrorCode.TEMPORARILY_UNAVAILABLE: 503,
}
_MAX_QUOTE = 100

TOO_MANY_REQUESTS = 429  # RFC 6585 §4


class OAuthError(OAuth2Error):  # type: ignore[misc]
    """An error response. `reason` and `target` are for the audit log and never sent.

    `target` is the id that the request names, if it is a possible id.
    """

    def __init__(
        self,
        code: ErrorCode,
        description: str,
        *,
        reason: str | None = None,
        target: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(description, error=code.value, status_code=status or _STATUS.get(code))
        self.reason = reason or description
        self.target = target
        self.retry_after = retry_after

    def get_headers(self) -> list[tuple[str, str]]:
        """RFC 6749 §5.1 for every response, §5.2 for a failed client authentication."""
        headers: list[tuple[str, str]] = super().get_headers()
        if self.error == ErrorCode.INVALID_CLIENT:
            headers.append(("WWW-Authenticate", 'Basic realm="issuer"'))
        if self.retry_after is not None:
            headers.append(("Retry-After", str(self.retry_after)))
        return headers


class NothingDone(OAuthError):
    """Nothing was revoked: answered 200 all the same (RFC 7009 §2.2), but audited as refused."""

    def __init__(self, reason: str) -> None:
        super().__init__(ErrorCode.INVALID_REQUEST, reason, status=200)

    def get_body(self) -> dict[str, object]:
        return {}


def unavailable(error: Unavailable) -> OAuthError:
    """503 `temporarily_unavailable`."""
    return OAuthError(
        ErrorCode.TEMPORARILY_UNAVAILABLE,
        "The server cannot answer now.",
        reason=str(error),
        retry_after=error.retry_after,
    )


def invalid_client(reason: str, target: str | None = None) -> OAuthError:
    """One error for every wrong client credential (RFC 6749 §5.2)."""
    return OAuthError(
        ErrorCode.INVALID_CLIENT, "Client authentication failed.", reason=reason, target=target
    )


def invalid_grant(reason: str, target: str | None = None) -> OAuthError:
    """The same error for every wrong user name or password (RFC 6749 §5.2)."""
    return OAuthError(
        ErrorCode.INVALID_GRANT, "Wrong username or password.", reason=reason, target=target
    )


def too_many_requests(error: TooManyRequests) -> OAuthError:
    """429: beyond a rate limit (RFC 6585 §4)."""
    return OAuthError(
        ErrorCode.TEMPORARILY_UNAVAILABLE,
        "Too many requests.",
        reason=str(error),
        status=TOO_MANY_REQUESTS,
        retry_after=error.retry_after,
    )


def invalid_scope(description: str, scope: str) -> OAuthError:
    """`invalid_scope` naming the scope; the audit log names it only if it cannot be a secret."""
    named = f"{description}: {quoted(scope)}"
    reason = description if may_be_secret(scope) else named
    return OAuthError(ErrorCode.INVALID_SCOPE, named, reason=reason)


def may_be_secret(text: str) -> bool:
    """Whether the text contains a secret of this issuer, sent in the wrong place."""
    return CLIENT_SECRET in text or REFRESH_TOKEN in text


def named_principal(text: str | None) -> str | None:
    """`text` if it is a possible id of a client or user and cannot be a secret."""
    return text if text and is_client_id(text) and not may_be_secret(text) else None


def quoted(text: str, longest: int = _MAX_QUOTE) -> str:
    """Text from the caller, cut and limited to the characters that RFC 6749 §5.2 allows."""
    cut = text[:longest] + ("..." if len(text) > longest else "")
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in cut)
