"""Revoking access tokens: single ones, and all that a key signed."""

import re
from dataclasses import dataclass
from datetime import timedelta

from issuer.audit import Trail
from issuer.authority import Authority
from issuer.clock import Clock
from issuer.errors import InvalidCredentials, InvalidField
from issuer.keys import Keys, SigningKey
from issuer.revocations import Revocations
from issuer.scopes import ISSUER_ADMIN
from issuer.tokens.reading import TokenReader, VerifiedToken
from issuer.vocabulary import MAX_CLOCK_SKEW, MAX_TOKEN

_JTI = re.compile(r"[0-9a-f]{32}")
# No token that exists now is valid for longer.
_MAX_REMAINING = MAX_TOKEN + MAX_CLOCK_SKEW + timedelta(seconds=1)


@dataclass(eq=False, repr=False)
class TokenRevocations:
    """Revoking within one transaction. Errors are those of `issuer.errors`."""

    _trail: Trail
    _clock: Clock
    _authority: Authority
    _revocations: Revocations
    _reader: TokenReader
    _keys: Keys

    def revoke(self, token: str) -> VerifiedToken:
        """Revoke the token; idempotent. `InvalidField` if it is not a token of this issuer."""
        try:
            verified = self._reader.read_although_revoked(token)
        except InvalidCredentials as error:
            raise InvalidField("token", error.reason) from None
        kind = "clients" if verified.subject == verified.client_id else "users"
        self._authority.require(f"issuer:{kind}:write")
        self._authority.authorize_change(
            principal=verified.subject, scopes=verified.scopes, audiences=[verified.audience]
        )
        self._revocations.revoke_tokens({verified.jti: verified.expires_at})
        self._note(verified)
        return verified

    def revoke_own(self, verified: VerifiedToken) -> None:
        """Revoke it for the client it was issued to; `FeedFull` beyond its share of the feed."""
        is_alone = self._revocations.revoke_own_token(
            verified.jti,
            verified.expires_at,
            client_id=verified.client_id,
            subject=verified.subject,
        )
        self._note(verified, **({} if is_alone else {"all_of_subject": True}))

    def revoke_unverified(self, jti: str) -> None:
        """Revoke the token with that `jti`, whether or not it exists. For administrators only."""
        self._authority.require(ISSUER_ADMIN)
        if not _JTI.fullmatch(jti):
            # A secret sent by mistake would appear in the audit log and in the public feed.
            raise InvalidField("jti", "must be the id of a token: 32 hexadecimal digits")
        expires_at = self._clock().replace(microsecond=0) + _MAX_REMAINING
        self._revocations.revoke_tokens({jti: expires_at})
        self._trail.note("token.revoked", jti, jti=jti)

    def revoke_key(self, kid: str) -> SigningKey:
        """Revoke the key, and what was exchanged for tokens that it signed.

        Whoever has the private key may have made a token, and exchanged it for one of another key.
        """
        key = self._keys.revoke(kid)
        self._revocations.revoke_exchanged_under(kid)
        return key

    def _note(self, verified: VerifiedToken, **more: object) -> None:
        named = {"client_id": verified.client_id, "audience": verified.audience, **more}
        self._trail.note("token.revoked", verified.subject, jti=verified.jti, **named)
