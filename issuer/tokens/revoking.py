"""Taking single access tokens back, for an operator."""

import re
from datetime import timedelta

from issuer.audit import Trail
from issuer.authority import Authority
from issuer.clock import Clock
from issuer.errors import InvalidCredentials, InvalidField
from issuer.revocations import Revocations
from issuer.scopes import ISSUER_ADMIN
from issuer.secret_text import is_whole
from issuer.tokens.reading import TokenReader, VerifiedToken
from issuer.vocabulary import CLOCKS_APART, LONGEST_TOKEN

_JTI = re.compile(r"[!-~]{1,128}")
# No token that exists already lives longer.
_DEAD_IN = LONGEST_TOKEN + CLOCKS_APART + timedelta(seconds=1)


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
        try:
            found = self._reader.read_although_revoked(token)
        except InvalidCredentials as error:
            raise InvalidField("token", error.reason) from None
        self._authority.require(right_to_revoke(found))
        self._authority.touch(
            principal=found.subject, scopes=found.scopes, audiences=[found.audience]
        )
        self._revocations.tokens({found.jti: found.expires_at}, found.client_id)
        named = {"client_id": found.client_id, "audience": found.audience}
        self._trail.note("token.revoked", found.subject, jti=found.jti, **named)
        return found

    def revoke_unseen(self, jti: str) -> None:
        """The token of that id, if there is one. Whose it is nobody knows: for admins only."""
        self._authority.require(ISSUER_ADMIN)
        if not _JTI.fullmatch(jti):
            raise InvalidField("jti", "must be 1 to 128 printable characters of ASCII")
        if is_whole(jti):  # the record and the feed, which everybody can read, would tell it
            raise InvalidField("jti", "is a secret or a refresh token, and no id of a token")
        expires_at = self._clock().replace(microsecond=0) + _DEAD_IN
        self._revocations.tokens({jti: expires_at})
        self._trail.note("token.revoked", jti, jti=jti)


def right_to_revoke(token: VerifiedToken) -> str:
    """The scope that allows it: that of whom the token is about."""
    kind = "clients" if token.subject == token.client_id else "users"
    return f"issuer:{kind}:write"
