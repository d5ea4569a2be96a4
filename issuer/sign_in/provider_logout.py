"""Trusted issuers that say that somebody signed out there (OpenID Back-Channel Logout 1.0).

Imports PyJWT: import it where it is first needed.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from issuer.clock import Clock
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import InvalidCredentials
from issuer.federation.public_keys import InvalidToken
from issuer.sign_in.provider_sign_in import VerifiedClaims
from issuer.sign_in.provider_tokens import checked_logout_token, read_token

# Notes that a token was used, until it expires: whose it is, its `jti`, when it expires.
UseOnce: TypeAlias = Callable[[str, str, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SignedOut:
    """Who signed out at the trusted issuer: an account, a session there, or both."""

    issuer_id: str
    subject: str | None
    provider_session: str | None


@dataclass(eq=False, repr=False)
class ProviderLogout:
    """Checks logout tokens. For the event loop."""

    _verified_claims: VerifiedClaims
    _use_once: UseOnce
    _clock: Clock

    async def accepted(self, text: str, issuers: Iterable[TrustedIssuerRecord]) -> SignedOut:
        """What the token says, which counts once; `InvalidCredentials` names the rule it breaks.

        `issuers` are those where people sign in, of which no two have the same `iss`.
        """
        token = read_token("logout token", text)
        named = token.unverified.issuer
        issuer = next((each for each in issuers if each.issuer == named), None)
        if issuer is None or issuer.sign_in is None:
            raise InvalidCredentials("the logout token: iss is no issuer where people sign in")
        try:
            claims = await self._verified_claims(issuer, token)
        except InvalidToken as error:
            raise InvalidCredentials(f"the logout token: {error}") from None
        expected = (issuer.issuer, issuer.sign_in.client_id, self._clock())
        jti, expires_at = checked_logout_token(token, claims, *expected)
        await self._use_once(f"logout tokens of {issuer.id}", jti, expires_at)
        return SignedOut(issuer.id, claims.get("sub") or None, claims.get("sid") or None)
