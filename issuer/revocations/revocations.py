"""Taking tokens back before they expire, within one transaction (CONTRACT §6)."""

from collections.abc import Mapping
from datetime import datetime

from issuer.clock import Clock
from issuer.database import Session
from issuer.errors import NotYet
from issuer.revocations.share import LIMITS, FeedLimits
from issuer.revocations.store import RevocationStore, RevokedPrincipal
from issuer.vocabulary import CLOCKS_APART, MAX_TOKEN, SEEN_WITHIN, STILL_TRUSTED

JTI = "jti"
SID = "sid"
SUB = "sub"
CLIENT_ID = "client_id"
AUDIENCE = "aud"

_RETRY_AFTER = 60  # seconds


class FeedFull(NotYet):
    """One entry more would take the feed over a limit. Entries leave as tokens expire."""

    def __init__(self, message: str) -> None:
        super().__init__(message, _RETRY_AFTER)


class Revocations:
    """What is revoked here is in the feed as soon as the transaction is committed."""

    def __init__(self, session: Session, clock: Clock, *, limits: FeedLimits = LIMITS) -> None:
        self._limits = limits
        self._store = RevocationStore(session)
        self._clock = clock
        self._principals: dict[RevokedPrincipal, datetime] = {}
        self._principal_bytes: int | None = None

    def tokens(self, expirations: Mapping[str, datetime]) -> None:
        """Access tokens by `jti`, with their `exp`, for an operator; again is fine.

        Tokens that no verifier accepts any more, however late its clock, are passed over.
        `FeedFull` where there are too many: an operator can revoke all of a user or client.
        """
        if not self._listed(JTI, expirations):
            raise FeedFull(
                "Too many single tokens are revoked at this time. Revoke all tokens of the user or"
                " of the client instead."
            )

    def own_token(self, jti: str, expires_at: datetime, *, client_id: str, subject: str) -> bool:
        """An access token that its client gives up: True if it alone is revoked.

        Beyond its share of the feed a client loses all tokens it has in its own name so far: one
        entry, which concerns nobody else. A token of a user stays valid until it expires, and
        `FeedFull` says so: an entry for the user or the client would end tokens of others.
        """
        if self._listed(JTI, {jti: expires_at}, client_id, subject):
            return True
        if subject != client_id:
            raise FeedFull("Too many tokens of this client are revoked at this time.")
        self._revoke_all(RevokedPrincipal(SUB, client_id), self._limits.principal_bytes)
        return False

    def family(self, sid: str, expires_at: datetime, *, client_id: str, user_id: str) -> bool:
        """The access tokens of a refresh family, the last of which expires at `expires_at`.

        Beyond the share of the client or the user, all access tokens of this user so far, who
        gets others with the refresh tokens that are left. False if there was no room for that.
        """
        if self._listed(SID, {sid: expires_at}, client_id, user_id):
            return True
        try:
            self._revoke_all(RevokedPrincipal(SUB, user_id), self._limits.principal_bytes)
        except FeedFull:
            return False
        return True

    def subject(self, user_or_client_id: str) -> None:
        """Nothing issued so far to this `sub` is believed, and no refresh token is."""
        self._revoke_all(RevokedPrincipal(SUB, user_or_client_id), ends_families=True)

    def client(self, client_id: str) -> None:
        """Nothing issued so far to this `client_id` is believed, whoever the subject.

        And no refresh token is.
        """
        self._revoke_all(RevokedPrincipal(CLIENT_ID, client_id), ends_families=True)

    def audience(self, audience_id: str) -> None:
        """Nothing issued so far for this `aud` is believed, and no refresh token is."""
        self._revoke_all(RevokedPrincipal(AUDIENCE, audience_id), ends_families=True)

    def forget(self) -> int:
        """Delete some entries that no token is believed for any more; how many those were.

        Not before every process, however late its clock, has left them out of its feed: until
        then they are counted.
        """
        return self._store.forget(self._clock() - STILL_TRUSTED - CLOCKS_APART)

    def check_invariants(self) -> None:
        """Called at the end of a long transaction: "so far" is now, not when it began."""
        for principal, not_after in list(self._principals.items()):
            if issued_so_far(self._clock()) > not_after:
                self._revoke_all(principal)

    def includes(
        self,
        *,
        jti: str,
        sid: str | None,
        subject: str,
        client_id: str,
        audience: str,
        issued_at: datetime,
    ) -> bool:
        """Whether the token is revoked, by the database as it is now."""
        listed = [(JTI, jti)] if sid is None else [(JTI, jti), (SID, sid)]
        whose = {SUB: subject, CLIENT_ID: client_id, AUDIENCE: audience}
        return self._store.includes(
            listed, (RevokedPrincipal(*each) for each in whose.items()), issued_at
        )

    def _listed(
        self, kind: str, expirations: Mapping[str, datetime], client_id: str = "", subject: str = ""
    ) -> bool:
        """Whether they are listed one by one; False if there is no room for all of them."""
        now = self._clock()
        unexpired = {each: exp for each, exp in expirations.items() if exp + STILL_TRUSTED > now}
        if not unexpired:
            return True
        # Before counting: whoever adds entries holds the feed's row, so the count stays true.
        change = self._store.begin_change(now)
        new = unexpired.keys() - self._store.listed(kind, unexpired)
        remaining = self._limits.remaining(
            self._store.listed_for(client_id, subject), is_own=bool(client_id)
        )
        if len(new) > remaining:
            return False
        self._store.add_tokens(kind, unexpired, change, client_id=client_id, subject=subject)
        return True

    def _revoke_all(
        self,
        principal: RevokedPrincipal,
        max_bytes: int | None = None,
        *,
        ends_families: bool = False,
    ) -> None:
        now = self._clock()
        not_after = issued_so_far(now)
        change = self._store.begin_change(now)
        self._require_space(principal, max_bytes or self._limits.principal_bytes_of_operators)
        self._store.add_principal(
            principal,
            not_after,
            not_after + MAX_TOKEN,
            change,
            families_before=change if ends_families else 0,
        )
        self._principals[principal] = not_after

    def _require_space(self, principal: RevokedPrincipal, max_bytes: int) -> None:
        if self._store.has_principal(principal):
            return
        if self._principal_bytes is None:
            self._principal_bytes = self._store.principal_bytes()
        self._principal_bytes += principal.max_bytes
        if self._principal_bytes > max_bytes:
            raise FeedFull(
                "Too many users, clients and audiences lost their tokens within a day: verifiers"
                " would refuse a larger revocation feed. Wait until entries have expired, or revoke"
                " the signing keys, which ends all tokens at once."
            )


def issued_so_far(now: datetime) -> datetime:
    """The last whole second in which a token may have been issued that must not live.

    Another process goes on issuing until it has seen the change that is made now.
    """
    return (now + SEEN_WITHIN).replace(microsecond=0)
