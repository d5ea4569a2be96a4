"""All revocations, in memory: two or three look-ups per token, no query."""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from issuer.clock import Clock
from issuer.database import Connection, Database
from issuer.database.counts import FeedState
from issuer.revocations.revocations import AUDIENCE, CLIENT_ID, JTI, SID, SUB
from issuer.revocations.share import TokenIdentity
from issuer.revocations.store import FeedEntry, RevocationStore, entries_about, own_audience
from issuer.vocabulary import MAX_TOKEN, TOKEN_RETENTION

_NEVER = FeedState(-1, datetime.min.replace(tzinfo=UTC))
_MAX_TOKEN = int(MAX_TOKEN.total_seconds())


@dataclass(frozen=True, slots=True)
class Revoked:
    """All revocations as of `state`, in whole seconds. Immutable.

    `tokens`: `exp` by `jti`. `sessions`: `exp` of the last token by `sid`. `subjects`, `clients`,
    `audiences`: tokens issued at or before this second are revoked. `own` has the second for tokens
    of `own_audience`, the issuer's own, by kind and id where it is another.
    """

    state: FeedState = _NEVER
    tokens: Mapping[str, int] = field(default_factory=dict, repr=False)
    sessions: Mapping[str, int] = field(default_factory=dict, repr=False)
    subjects: Mapping[str, int] = field(default_factory=dict, repr=False)
    clients: Mapping[str, int] = field(default_factory=dict, repr=False)
    audiences: Mapping[str, int] = field(default_factory=dict, repr=False)
    own: Mapping[tuple[str, str], int] = field(default_factory=dict, repr=False)
    own_audience: str = ""

    @classmethod
    def about(cls, connection: Connection, tokens: Collection[TokenIdentity]) -> "Revoked":
        """The revocations that name one of the tokens, from the database."""
        revoked = cls().with_entries(entries_about(connection, tokens))
        return replace(revoked, own_audience=own_audience(connection)) if revoked.own else revoked

    def includes(self, token: TokenIdentity) -> bool:
        """Whether the token is revoked."""
        not_after = self.not_after(token.subject, token.client_id, token.audience)
        return (
            token.jti in self.tokens
            or token.sid in self.sessions
            or int(token.issued_at.timestamp()) <= not_after
        )

    def not_after(self, subject: str, client_id: str, audience: str) -> int:
        """Tokens of the subject, of the client or for the audience are revoked if issued by then.

        In seconds since 1970; 0 if there is no such entry.
        """
        until = (
            self.subjects.get(subject, 0),
            self.clients.get(client_id, 0),
            self.audiences.get(audience, 0),
        )
        if self.own and audience == self.own_audience:
            named = ((SUB, subject), (CLIENT_ID, client_id), (AUDIENCE, audience))
            return max(map(self.own.get, named, until))
        return max(until)

    def still_trusted(self, now: datetime) -> "Revoked":
        """This view without the entries whose tokens have all expired at `now`."""
        expired = (now - TOKEN_RETENTION).timestamp()
        issued = expired - _MAX_TOKEN
        principals = {
            SUB: _later(self.subjects, issued),
            CLIENT_ID: _later(self.clients, issued),
            AUDIENCE: _later(self.audiences, issued),
        }
        return replace(
            self,
            tokens=_later(self.tokens, expired),
            sessions=_later(self.sessions, expired),
            subjects=principals[SUB],
            clients=principals[CLIENT_ID],
            audiences=principals[AUDIENCE],
            own={each: at for each, at in self.own.items() if each[1] in principals[each[0]]},
        )

    def with_entries(self, entries: Iterable[FeedEntry]) -> "Revoked":
        """With entries of the feed."""
        new: dict[str, dict[str, int]] = {kind: {} for kind in (JTI, SID, SUB, CLIENT_ID, AUDIENCE)}
        own = {**self.own}
        for kind, name, until, own_until in entries:
            new[kind][name] = int(until.timestamp())
            own.pop((kind, name), None)
            if own_until != until:
                own[kind, name] = int(own_until.timestamp())
        return replace(
            self,
            own=own,
            tokens={**self.tokens, **new[JTI]},
            sessions={**self.sessions, **new[SID]},
            subjects={**self.subjects, **new[SUB]},
            clients={**self.clients, **new[CLIENT_ID]},
            audiences={**self.audiences, **new[AUDIENCE]},
        )


@dataclass(eq=False, repr=False)
class RevocationView:
    """The revocations this process has seen; none is forgotten while `may_forget` returns False."""

    _database: Database
    _clock: Clock
    _own_audience: str
    may_forget: Callable[[], bool]

    def __post_init__(self) -> None:
        self._reading = threading.Lock()
        self._revoked = Revoked(own_audience=self._own_audience)

    @property
    def revoked(self) -> Revoked:
        """What the last `follow` read; the database is read if there was none yet."""
        if self._revoked.state is _NEVER:
            self._read_changes()
        return self._revoked

    def follow(self, state: FeedState) -> None:
        """Read the changes up to that state of the feed."""
        known = self._revoked
        if state.count == known.state.count:
            issued_at = max(state.issued_at, known.state.issued_at)
            self._revoked = replace(known, state=FeedState(state.count, issued_at))
        else:
            self._read_changes()

    def _read_changes(self) -> None:
        with self._reading:
            known = self._revoked
            with self._database.reading() as session:
                store = RevocationStore(session)
                state = store.state()
                # The count goes back only when a backup is restored: read everything.
                since = known.state.count if state.count > known.state.count else -1
                revoked = known.with_entries(store.entries(since))
            revoked = replace(revoked, state=state)
            needed = revoked.still_trusted(self._clock())
            self._revoked = needed if self.may_forget() else revoked


def _later(entries: Mapping[str, int], instant: float) -> dict[str, int]:
    return {name: at for name, at in entries.items() if at > instant}
