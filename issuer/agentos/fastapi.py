"""Dependencies for a FastAPI service that is not an AgentOS (RFC 6750). Imports fastapi."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from issuer.agentos.errors import KeySetUnavailable
from issuer.agentos.verifier import Verifier

Claims = dict[str, Any]
Dependency = Callable[..., Awaitable[Claims]]

_bearer = HTTPBearer(
    bearerFormat="JWT", description="An access token of the issuer (RFC 9068).", auto_error=False
)
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def claims_of(verifier: Verifier) -> Dependency:
    """A dependency: the claims of the token; 401 without, 503 while the keys are unavailable."""

    async def claims(credentials: _Credentials) -> Claims:
        if credentials is None:  # RFC 6750 §3: the challenge has no error code
            raise _refusal(401, "An access token is required.", "Bearer")
        try:
            await verifier.prepare_for(credentials.credentials)
            return verifier.claims(credentials.credentials)
        except KeySetUnavailable as error:
            headers = {"Retry-After": str(error.retry_after)}
            raise HTTPException(503, str(error), headers) from None
        except jwt.InvalidTokenError as error:
            raise _refusal(401, str(error), 'Bearer error="invalid_token"') from None

    return claims


def requires(verifier: Verifier, *scopes: str) -> Dependency:
    """Like `claims_of`, and 403 for a token that lacks one of `scopes`.

    Scopes are compared exactly: none implies another, and `agent_os:admin` grants nothing here.
    The scope rules of AgentOS apply to its own routes only.
    """

    async def claims_with_scopes(claims: Annotated[Claims, Depends(claims_of(verifier))]) -> Claims:
        if not scopes_of(claims).issuperset(scopes):
            required = " ".join(scopes)
            challenge = f'Bearer error="insufficient_scope", scope="{required}"'
            raise _refusal(403, f"The scope {required} is required.", challenge)
        return claims

    return claims_with_scopes


def scopes_of(claims: Mapping[str, Any]) -> set[str]:
    """The scopes in `scope`, a string (RFC 9068 §2.2.3), and in `scopes`, a list."""
    scope, scopes = claims.get("scope"), claims.get("scopes")
    words = scope.split(" ") if isinstance(scope, str) else []
    listed = [each for each in scopes if isinstance(each, str)] if isinstance(scopes, list) else []
    return {*words, *listed} - {""}


def _refusal(status: int, detail: str, challenge: str) -> HTTPException:
    return HTTPException(status, detail, {"WWW-Authenticate": challenge})
