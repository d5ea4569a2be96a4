"""Reading the audit log as it grows, without missing an event that commits late."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from issuer.audit import following_store
from issuer.audit.audit_log import AuditEvent
from issuer.audit.bookmark import Bookmark
from issuer.database import Database, Session
from issuer.errors import DatabaseUnavailable

# Later than this after an event, its id is taken: some are gathered in memory for up to a minute.
_WRITTEN_WITHIN = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class EventPage:
    """The next events, in the order of their ids; all that there are, if `is_last`.

    No event until the id `settled` will be committed any more.
    """

    events: list[AuditEvent]
    settled: int
    is_last: bool

    def steps(self, bookmark: Bookmark) -> Iterator[tuple[AuditEvent, Bookmark]]:
        """Each event, and the bookmark of a reader that has read it, starting at `bookmark`."""
        for event in self.events:
            bookmark = bookmark.after(event.chain, event.id, self.settled)
            yield event, bookmark

    def end(self, bookmark: Bookmark) -> Bookmark:
        """The bookmark of a reader that has read the whole page, starting at `bookmark`."""
        end = bookmark
        for _, end in self.steps(bookmark):  # noqa: B007 - the last one
            pass
        return end.settled_through(self.settled) if self.is_last else end


class AuditReader:
    """Gives each event once, also to a reader that continues in another process.

    Ids are taken before a commit, so an event may be committed after others with higher ids. It
    is not missed: ids count as read only when no transaction is open that has taken one of them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settled = 0
        self._unsettled: tuple[int, frozenset[str]] | None = None

    def at(self, since: datetime) -> Bookmark:
        """Where to begin for all events since then; some before it come as well."""
        with self._database.reading() as session:
            return Bookmark(following_store.id_at(session, since - _WRITTEN_WITHIN))

    def page(self, bookmark: Bookmark, limit: int) -> EventPage:
        """At most `limit` events that `bookmark` does not cover."""
        # In a transaction before: what had been committed then is in the snapshot of the next.
        settled = self._settled_now()
        with self._database.reading() as session:
            events = list(islice(_unread(session, bookmark), limit))
        return EventPage(events, settled, is_last=len(events) < limit)

    def _settled_now(self) -> int:
        """No event until this id will be committed any more."""
        with self._database.reading() as session:
            last, writers = following_store.last_id_and_writers(session)
        if writers is None:
            raise DatabaseUnavailable(
                "The database is a standby: read the audit log of the primary."
            )
        if last < self._settled:  # restored, or a failover that lost the last commits
            self._settled, self._unsettled = 0, None
        if not writers:
            self._settled = last
        elif self._unsettled is None:
            self._unsettled = (last, writers)
        elif not self._unsettled[1] & writers:
            self._settled = self._unsettled[0]
            self._unsettled = (last, writers)
        return self._settled


def _unread(session: Session, bookmark: Bookmark) -> Iterator[AuditEvent]:
    last = bookmark.settled
    while rows := following_store.after(session, last):
        yield from (event for event in rows if not bookmark.covers(event.chain, event.id))
        last = rows[-1].id
