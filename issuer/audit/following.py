"""Reading the audit log as it grows, from a bookmark, without missing events that commit late."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from issuer.audit.audit_log_store import AuditEvent, AuditLog
from issuer.database import Database
from issuer.errors import DatabaseUnavailable, IssuerError

_MAX_TEXT = 64 * 1024
_TEXT = re.compile(r"[0-9]{1,18}(~[a-z0-9]{1,32}=[0-9]{1,18})*")
# Later than this after an event, its id is taken: some are gathered in memory for up to a minute.
_WRITTEN_WITHIN = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Bookmark:
    """All events until the id `settled` were read, and those of each chain in `read` until its id.

    Within a chain, ids ascend in the order of commits. Between chains they do not: processes
    commit at the same time, so an event may appear after others that have a higher id.
    """

    settled: int = 0
    read: Mapping[str, int] = field(default_factory=dict)

    def covers(self, chain: str, event_id: int) -> bool:
        """Whether this event was read."""
        return event_id <= self.settled or event_id <= self.read.get(chain, 0)

    def after(self, chain: str, event_id: int, settled: int) -> Self:
        """When this event was read too, and every other one until its id that is committed.

        No event until the id `settled` will be committed any more.
        """
        read = {**self.read, chain: event_id}
        return type(self)(self.settled, read).settled_through(min(settled, event_id))

    def settled_through(self, event_id: int) -> Self:
        """When every event until this id was read, and no other will be committed."""
        settled = max(self.settled, event_id)
        return type(self)(settled, {name: at for name, at in self.read.items() if at > settled})

    def __or__(self, other: Self) -> Self:
        """What either covers."""
        names = self.read.keys() | other.read.keys()
        read = {name: max(self.read.get(name, 0), other.read.get(name, 0)) for name in names}
        return type(self)(self.settled, read).settled_through(other.settled)

    def __str__(self) -> str:
        """The text that `parse` reads, such as `4711` or `4711~changes=4713`."""
        return "~".join([str(self.settled), *(f"{name}={at}" for name, at in self.read.items())])

    @classmethod
    def parse(cls, text: str) -> Self:
        """The bookmark of this text; `IssuerError` for any other text."""
        if len(text) > _MAX_TEXT or not _TEXT.fullmatch(text):
            raise IssuerError("This is not a cursor of the audit log, such as 4711.")
        settled, *parts = text.split("~")
        read = (part.split("=") for part in parts)
        return cls(int(settled), {name: int(at) for name, at in read})


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
            return Bookmark(AuditLog(session).id_at(since - _WRITTEN_WITHIN))

    def page(self, bookmark: Bookmark, limit: int) -> EventPage:
        """At most `limit` events that `bookmark` does not cover."""
        # In a transaction before: what had been committed then is in the snapshot of the next.
        settled = self._settled_now()
        with self._database.reading() as session:
            log, last = AuditLog(session), bookmark.settled
            events: list[AuditEvent] = []
            while len(events) < limit and (rows := log.after(last)):
                events += [row for row in rows if not bookmark.covers(row.chain, row.id)]
                last = rows[-1].id
        return EventPage(events[:limit], settled, is_last=len(events) < limit)

    def _settled_now(self) -> int:
        """No event until this id will be committed any more."""
        with self._database.reading() as session:
            last, writers = AuditLog(session).last_id_and_writers()
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
