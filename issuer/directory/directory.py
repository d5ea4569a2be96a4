"""A cache of client records, emptied when anything has changed."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from issuer.background.periodic import Periodic
from issuer.clock import Clock
from issuer.database import Database, FeedState
from issuer.database.counts import read_change_count
from issuer.database.deployment import require_agreement
from issuer.directory import store
from issuer.directory.records import (
    AudienceRecord,
    ClientRecord,
    TrustedIssuerRecord,
    UserRecord,
)
from issuer.errors import ConfigurationError, NotFound, Unavailable
from issuer.fields.urls import is_client_id

POLL_INTERVAL = timedelta(milliseconds=250)
TRUST_FOR = timedelta(seconds=10)
_MAX_REMEMBERED = 200_000

log = structlog.get_logger(__name__)


class ChangeWatcher:
    """Polls the change counters and calls the subscribers of a counter when it has changed."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._subscribers: list[Callable[[int], None]] = []
        self._feed_subscribers: list[Callable[[FeedState], None]] = []
        self._checks: list[Callable[[], None]] = []
        self._failed_check: ConfigurationError | None = None
        self._wrong_clock: Unavailable | None = None
        self._looking = threading.Lock()
        self._seen = -1
        self._feed_seen: FeedState | None = None
        self._looked_at = float("-inf")
        self.job = Periodic("change-watcher", POLL_INTERVAL, self.poll)

    def subscribe(self, subscriber: Callable[[int], None]) -> None:
        """`subscriber` is called with the new count, in the thread that read it."""
        self._subscribers.append(subscriber)

    def subscribe_to_feed(self, subscriber: Callable[[FeedState], None]) -> None:
        """`subscriber` is called when tokens were revoked, or the feed has a later `iat`."""
        self._feed_subscribers.append(subscriber)

    def require(self, check: Callable[[], None]) -> None:
        """`check` is called after each change. `ConfigurationError` makes all requests fail."""
        self._checks.append(check)

    def start(self) -> None:
        """Look once, so that the start fails without a database; then keep looking."""
        self.poll()
        self.job.start()

    def stop(self) -> None:
        self.job.stop()

    def poll(self) -> None:
        """Read the counters now, for example after a change made by this process."""
        with self._looking:
            looked_at, asked_at = self._clock.monotonic(), self._clock()
            counts = self._database.counts()
            self._compare_clocks(counts.read_at, asked_at)
            if counts.feed != self._feed_seen:
                for follow in self._feed_subscribers:
                    follow(counts.feed)
                self._feed_seen = counts.feed
            if counts.changes != self._seen:
                self._failed_check = self._check()
                for subscriber in self._subscribers:
                    subscriber(counts.changes)
                self._seen = counts.changes
            self._looked_at = looked_at

    def look_for_feed(self, count: int) -> None:
        """Read the counters, unless that change of the revocation feed was seen already."""
        with self._looking:
            if self._feed_seen is not None and self._feed_seen.count >= count:
                return
        self.poll()

    @property
    def is_current(self) -> bool:
        """Whether the last look is recent enough to trust what is in memory."""
        return self._clock.monotonic() - self._looked_at <= TRUST_FOR.total_seconds()

    def require_current(self) -> None:
        """`Unavailable` if a check failed, what is in memory is too old, or the clock is wrong."""
        if self._failed_check is not None:
            raise Unavailable(str(self._failed_check))
        if self._wrong_clock is not None:
            raise Unavailable(str(self._wrong_clock))
        if not self.is_current:
            cause = self._database.outage.cause or "it is slow"
            raise Unavailable(f"The database could not be read for 10 s: {cause}.")

    def _compare_clocks(self, read_at: datetime, asked_at: datetime) -> None:
        before, self._wrong_clock = self._wrong_clock, None
        try:
            require_agreement(self._clock, read_at, asked_at)
        except Unavailable as error:
            self._wrong_clock = error
            if before is None:
                log.error("clock_wrong", cause=str(error))  # noqa: TRY400 - no traceback
        else:
            if before is not None:
                log.info("clock_right")

    def _check(self) -> ConfigurationError | None:
        try:
            for check in self._checks:
                check()
        except ConfigurationError as error:
            log.error("configuration_outdated", cause=str(error))  # noqa: TRY400 - no traceback
            return error
        return None


class Directory:
    """Records of clients and users. `remembered_…` never queries, `load_…` always does.

    A stored client that is not `accepted` is unknown. Clients whose metadata documents must be
    read are not remembered.
    """

    def __init__(
        self, database: Database, own_audience: str, accepted: Callable[[ClientRecord], bool]
    ) -> None:
        self._database = database
        self._own_audience = own_audience
        self._accepted = accepted
        self._lock = threading.Lock()
        self._count = -1
        self._clients: OrderedDict[str, ClientRecord] = OrderedDict()
        self._trusted_issuers: dict[str, TrustedIssuerRecord] = {}

    def forget(self, count: int) -> None:
        """Empty the cache: the change counter is now `count`."""
        with self._lock:
            self._count = count
            self._clients.clear()
            self._trusted_issuers.clear()

    def remembered_client(self, client_id: str) -> ClientRecord | None:
        """The client, if it is in memory. Never queries: fit for the event loop."""
        return self._clients.get(client_id)

    def load_client(self, client_id: str) -> ClientRecord | None:
        """The client as the database has it now."""
        with self._database.reading() as session:
            # Read first, so that the rows are at least as new as the count.
            count = read_change_count(session)
            record = store.load_client(session, _possible(client_id), self._own_audience)
        if record is None or not self._accepted(record):
            return None
        if not record.is_fetched:
            self._remember(count, record)
        return record

    def new_client(self, client_id: str) -> ClientRecord:
        """The client of a metadata document, before a person has allowed it anything."""
        with self._database.reading() as session:
            return store.new_client(session, client_id, self._own_audience)

    def load_user(self, user_id: str) -> UserRecord | None:
        """The user as the database has it now. Users sign in rarely, and are not remembered."""
        with self._database.reading() as session:
            return store.load_user(session, _possible(user_id))

    def trusted_issuer(self, issuer_id: str) -> TrustedIssuerRecord | None:
        """The trusted issuer: from memory, else as the database has it now."""
        remembered = self._trusted_issuers.get(issuer_id)
        if remembered is not None:
            return remembered
        with self._database.reading() as session:
            count = read_change_count(session)
            record = store.load_trusted_issuer(session, issuer_id)
        if record is not None:
            with self._lock:
                if count == self._count:
                    self._trusted_issuers[record.id] = record
        return record

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
                return  # either this process or this record has missed a change
            self._clients[record.client_id] = record
            if len(self._clients) > _MAX_REMEMBERED:
                self._clients.popitem(last=False)


def _possible(principal_id: str) -> str:
    """The id, or one that does not exist: PostgreSQL raises an error for NUL in a query."""
    return principal_id if is_client_id(principal_id) else ""
