"""Taking tokens back before they expire, within one transaction (CONTRACT §6)."""

from collections.abc import Mapping
from datetime import datetime

from issuer.clock import Clock
from issuer.database import Session
from issuer.families import FamilyStore
from issuer.revocations.store import Principal, RevocationStore
from issuer.vocabulary import LONGEST_TOKEN, SEEN_WITHIN, STILL_BELIEVED

# Six megabytes of feed. A follower reads sixteen at the most.
MOST_TOKENS = 100_000

SUB = "sub"
CLIENT_ID = "client_id"
AUDIENCE = "audience"


class Revocations:
    """What is revoked here is in the feed as soon as the transaction is committed."""

    def __init__(self, session: Session, clock: Clock, *, most_tokens: int = MOST_TOKENS) -> None:
        self._most_tokens = most_tokens
        self._store = RevocationStore(session)
        self._families = FamilyStore(session)
        self._clock = clock
        self._principals: dict[Principal, datetime] = {}

    def tokens(self, expirations: Mapping[str, datetime], client_id: str | None = None) -> None:
        """Access tokens by `jti`, with their `exp`; again is fine.

        Those that nobody believes any more, however late a clock, are passed over. Where very many
        are revoked already, all access tokens of the client are instead, if these are a client's:
        nobody may make the feed too large for those who follow it.
        """
        now = self._clock()
        alive = {jti: exp for jti, exp in expirations.items() if exp + STILL_BELIEVED > now}
        if alive and client_id is not None and self._store.has_tokens(self._most_tokens):
            self._nothing_so_far(Principal(CLIENT_ID, client_id))
        elif alive:
            self._store.add_tokens(alive, self._store.count_the_change(now))

    def subject(self, user_or_client_id: str) -> None:
        """Nothing issued so far to this `sub` is believed, and no refresh token is."""
        self._families.end_of_user(user_or_client_id)
        self._nothing_so_far(Principal(SUB, user_or_client_id))

    def client(self, client_id: str) -> None:
        """Nothing issued so far to this `client_id` is believed, whoever the subject.

        And no refresh token is.
        """
        self._families.end_of_client(client_id)
        self._nothing_so_far(Principal(CLIENT_ID, client_id))

    def audience(self, audience_id: str) -> None:
        """Nothing issued so far for this `aud` is believed, and no refresh token is."""
        self._families.end_of_audience(audience_id)
        self._nothing_so_far(Principal(AUDIENCE, audience_id))

    def forget(self) -> int:
        """Delete the entries that no token is believed for any more; how many those were."""
        return self._store.forget(self._clock() - STILL_BELIEVED)

    def settle(self) -> None:
        """Called at the end of a long transaction: "so far" is now, not when it began."""
        for principal, not_after in list(self._principals.items()):
            if issued_so_far(self._clock()) > not_after:
                self._nothing_so_far(principal)

    def names(
        self, *, jti: str, subject: str, client_id: str, audience: str, issued_at: datetime
    ) -> bool:
        """Whether the token is revoked, by the database as it is now."""
        whose = {SUB: subject, CLIENT_ID: client_id, AUDIENCE: audience}
        return self._store.names(jti, (Principal(*each) for each in whose.items()), issued_at)

    def _nothing_so_far(self, principal: Principal) -> None:
        now = self._clock()
        not_after = issued_so_far(now)
        change = self._store.count_the_change(now)
        self._store.add_principal(principal, not_after, not_after + LONGEST_TOKEN, change)
        self._principals[principal] = not_after


def issued_so_far(now: datetime) -> datetime:
    """The last whole second in which a token may have been issued that must not live.

    Another process goes on issuing until it has seen the change that is made now.
    """
    return (now + SEEN_WITHIN).replace(microsecond=0)
