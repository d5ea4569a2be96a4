"""Remembering records, and forgetting them when the world has changed (DESIGN §3)."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from issuer.clock import Clock
from issuer.database import Database, FeedState
from issuer.database.counts import read_change_count
from issuer.directory import store
from issuer.directory.records import AudienceRecord, ClientRecord, UserRecord
from issuer.errors import NotFound, Unavailable
from issuer.fields import is_principal_id
from issuer.periodic import Periodic

LOOK_EVERY = timedelta(milliseconds=250)
TRUST_FOR = timedelta(seconds=10)
_MAX_REMEMBERED = 200_000


class ChangeWatcher:
    """Looks at the counters often, and tells the subscribers of each when it moved."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._subscribers: list[Callable[[int], None]] = []
        self._feed_subscribers: list[Callable[[FeedState], None]] = []
        self._looking = threading.Lock()
        self._seen = -1
        self._feed_seen: FeedState | None = None
        self._looked_at = float("-inf")
        self._watching = Periodic("change-watcher", LOOK_EVERY, self.look)

    def subscribe(self, subscriber: Callable[[int], None]) -> None:
        """`subscriber` is called with the new count, in the thread that saw it."""
        self._subscribers.append(subscriber)

    def subscribe_to_feed(self, subscriber: Callable[[FeedState], None]) -> None:
        """`subscriber` is called when tokens were revoked, or the feed is of a later time."""
        self._feed_subscribers.append(subscriber)

    def start(self) -> None:
        """Look once, so that a database that is away stops the start; then keep looking."""
        self.look()
        self._watching.start()

    def stop(self) -> None:
        self._watching.stop()

    def look(self) -> None:
        """Look now. After a change of our own nobody waits for the next look."""
        with self._looking:
            looked_at = self._clock.monotonic()
            counts = self._database.counts()
            if counts.feed != self._feed_seen:
                for follow in self._feed_subscribers:
                    follow(counts.feed)
                self._feed_seen = counts.feed
            if counts.changes != self._seen:
                for subscriber in self._subscribers:
                    subscriber(counts.changes)
                self._seen = counts.changes
            self._looked_at = looked_at

    def look_for_feed(self, count: int) -> None:
        """Look, unless that change of the revocation feed, or a later one, was seen already."""
        with self._looking:
            if self._feed_seen is not None and self._feed_seen.count >= count:
                return
        self.look()

    @property
    def is_current(self) -> bool:
        """Whether the last look is not too long ago to believe what we hold."""
        return self._clock.monotonic() - self._looked_at <= TRUST_FOR.total_seconds()

    def require_current(self) -> None:
        """`Unavailable` when nothing may be issued from what we hold."""
        if not self.is_current:
            cause = self._database.outage.cause or "it is slow"
            raise Unavailable(f"The database could not be read for 10 s: {cause}.")


class Directory:
    """Records of clients and users. `remembered_…` never queries, `load_…` always does."""

    def __init__(self, database: Database, own_audience: str) -> None:
        self._database = database
        self._own_audience = own_audience
        self._lock = threading.Lock()
        self._count = -1
        self._clients: OrderedDict[str, ClientRecord] = OrderedDict()

    def forget(self, count: int) -> None:
        """Everything remembered may be wrong: the world is now at `count`."""
        with self._lock:
            self._count = count
            self._clients.clear()

    def remembered_client(self, client_id: str) -> ClientRecord | None:
        """The client, if it is remembered. Memory only: fit for the event loop."""
        return self._clients.get(client_id)

    def load_client(self, client_id: str) -> ClientRecord | None:
        """The client as the database has it now."""
        with self._database.reading() as session:
            # Read first: whatever the rows say is at least as new as the count.
            count = read_change_count(session)
            record = store.load_client(session, _possible(client_id), self._own_audience)
        if record is not None:
            self._remember(count, record)
        return record

    def load_user(self, user_id: str) -> UserRecord | None:
        """The user as the database has it now. Users sign in rarely, and are not remembered."""
        with self._database.reading() as session:
            return store.load_user(session, _possible(user_id))

    def load_audience(self, audience_id: str) -> AudienceRecord:
        """The audience as the database has it now; `NotFound` otherwise."""
        with self._database.reading() as session:
            record = store.load_audience(session, audience_id, self._own_audience)
        if record is None:
            raise NotFound("audience", audience_id)
        return record

    def _remember(self, count: int, record: ClientRecord) -> None:
        with self._lock:
            if count != self._count:
                return  # a change we have not seen, or one this record has not
            self._clients[record.client_id] = record
            if len(self._clients) > _MAX_REMEMBERED:
                self._clients.popitem(last=False)


def _possible(principal_id: str) -> str:
    """The id, or nobody's: none has other characters, and PostgreSQL refuses to look for NUL."""
    return principal_id if is_principal_id(principal_id) else ""
