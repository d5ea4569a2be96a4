"""Responses of the protocol endpoints (RFC 6749 §5)."""

from dataclasses import dataclass, field
from functools import lru_cache

from authlib.consts import default_json_headers
from authlib.oauth2 import OAuth2Error
from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from issuer.oauth.errors import TOO_MANY_REQUESTS
from issuer.tokens import AccessToken

# Scripts send no cookies with their requests (Fetch §3.2).
FOR_ANY_ORIGIN = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate, X-Request-Id"),
)


@dataclass(frozen=True, slots=True)
class OAuthResponse:
    """Status, JSON body and headers; `error` is set if it is an error response.

    Scripts of any origin may read it, unless not `is_for_scripts`.
    """

    status: int
    body: dict[str, object] = field(repr=False)
    headers: list[tuple[str, str]]
    error: OAuth2Error | None = None
    is_for_scripts: bool = True

    @classmethod
    def refusing(cls, error: OAuth2Error) -> "OAuthResponse":
        """The error response (RFC 6749 §5.2)."""
        status, body, headers = error()
        return cls(status, body, headers, error)

    @classmethod
    def issuing(
        cls, token: AccessToken, refresh_token: str | None, id_token: str | None
    ) -> "OAuthResponse":
        """The successful response (RFC 6749 §5.1)."""
        body: dict[str, object] = {
            "access_token": token.token,
            "token_type": "Bearer",
            "expires_in": token.expires_in,
            "scope": token.scope,
        }
        if refresh_token is not None:
            body["refresh_token"] = refresh_token
        if id_token is not None:
            body["id_token"] = id_token
        return cls(200, body, default_json_headers)

    @property
    def is_too_many_requests(self) -> bool:
        return self.status == TOO_MANY_REQUESTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it directly: constructing a Starlette `Response` takes several times as long."""
        body = to_json(self.body)
        named = (*self.headers, *FOR_ANY_ORIGIN) if self.is_for_scripts else self.headers
        headers = [*_encoded(*named), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@lru_cache(64)
def _encoded(*headers: tuple[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode(), value.encode()) for name, value in headers)
