"""Trusted issuers that say that somebody signed out there (OpenID Back-Channel Logout 1.0).

Imports PyJWT: import it where it is first needed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from issuer.clock import Clock
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import InvalidCredentials
from issuer.federation.public_keys import InvalidToken, parse_token
from issuer.sign_in.provider_sign_in import VerifiedClaims
from issuer.sign_in.provider_tokens import check_logout_token
from issuer.sign_in.session_revoker import SignedOut


@dataclass(eq=False, repr=False)
class ProviderLogout:
    """Checks logout tokens. For the event loop."""

    _verified_claims: VerifiedClaims
    _clock: Clock

    async def accept(self, text: str, issuers: Iterable[TrustedIssuerRecord]) -> SignedOut:
        """What the token says; `InvalidCredentials` names the rule that it breaks.

        `issuers` are those of people, of which no two have the same `iss`.
        """
        try:
            return await self._verify(text, issuers)
        except InvalidToken as error:
            raise InvalidCredentials(f"the logout token: {error}") from None

    async def _verify(self, text: str, issuers: Iterable[TrustedIssuerRecord]) -> SignedOut:
        token = parse_token(text)
        named = token.unverified.issuer
        issuer = next((e for e in issuers if e.is_for_people and e.issuer == named), None)
        if issuer is None or issuer.sign_in is None:
            raise InvalidToken("iss is no issuer where people sign in")
        claims = await self._verified_claims(issuer, token)
        expected = (issuer.issuer, issuer.sign_in.client_id, self._clock())
        jti, expires_at = check_logout_token(token, claims, *expected)
        named_there = (claims.get("sub") or None, claims.get("sid") or None)
        return SignedOut(issuer.id, *named_there, jti, expires_at)
