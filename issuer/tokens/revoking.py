"""Taking single access tokens back, for an operator."""

import re
from datetime import timedelta

from issuer.audit import Trail
from issuer.authority import Authority
from issuer.clock import Clock
from issuer.errors import InvalidCredentials, InvalidField
from issuer.revocations import Revocations
from issuer.scopes import ISSUER_ADMIN
from issuer.tokens.reading import TokenReader, VerifiedToken
from issuer.vocabulary import CLOCKS_APART, MAX_TOKEN

_JTI = re.compile(r"[0-9a-f]{32}")
# No token that exists already lives longer.
_MAX_REMAINING = MAX_TOKEN + CLOCKS_APART + timedelta(seconds=1)


class TokenRevocations:
    """Single tokens, within one transaction. Errors are those of `issuer.errors`."""

    def __init__(
        self,
        trail: Trail,
        clock: Clock,
        authority: Authority,
        revocations: Revocations,
        reader: TokenReader,
    ) -> None:
        self._trail = trail
        self._clock = clock
        self._authority = authority
        self._revocations = revocations
        self._reader = reader

    def revoke(self, token: str) -> VerifiedToken:
        """No one believes it any more; once more is fine. `InvalidField` if it is none of ours."""
        verified = self._verified(token)
        self._authority.require(right_to_revoke(verified))
        self._authority.authorize_change(
            principal=verified.subject, scopes=verified.scopes, audiences=[verified.audience]
        )
        self._revocations.tokens({verified.jti: verified.expires_at})
        self._note(verified)
        return verified

    def revoke_own(self, token: str) -> None:
        """As `revoke`, by the client it was issued to; `FeedFull` beyond its share of the feed."""
        verified = self._verified(token)
        is_alone = self._revocations.own_token(
            verified.jti,
            verified.expires_at,
            client_id=verified.client_id,
            subject=verified.subject,
        )
        self._note(verified, **({} if is_alone else {"all_of_subject": True}))

    def revoke_unverified(self, jti: str) -> None:
        """The token of that id, if there is one. Whose it is nobody knows: for admins only."""
        self._authority.require(ISSUER_ADMIN)
        if not _JTI.fullmatch(jti):
            # Nor a secret by mistake: the audit log, and the feed, which is public, would tell it.
            raise InvalidField("jti", "must be the id of a token: 32 hexadecimal digits")
        expires_at = self._clock().replace(microsecond=0) + _MAX_REMAINING
        self._revocations.tokens({jti: expires_at})
        self._trail.note("token.revoked", jti, jti=jti)

    def _verified(self, token: str) -> VerifiedToken:
        try:
            return self._reader.read_although_revoked(token)
        except InvalidCredentials as error:
            raise InvalidField("token", error.reason) from None

    def _note(self, verified: VerifiedToken, **more: object) -> None:
        named = {"client_id": verified.client_id, "audience": verified.audience, **more}
        self._trail.note("token.revoked", verified.subject, jti=verified.jti, **named)


def right_to_revoke(token: VerifiedToken) -> str:
    """The scope that allows it: that of whom the token is about."""
    kind = "clients" if token.subject == token.client_id else "users"
    return f"issuer:{kind}:write"
