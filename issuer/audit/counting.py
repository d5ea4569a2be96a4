"""How many tokens were issued and refused in each hour, counted from the audit events."""

from datetime import datetime, timedelta

from pydantic import BaseModel

from issuer.audit import counts_store
from issuer.clock import Clock
from issuer.database import Database

COUNT_EVERY = timedelta(minutes=1)
KEPT_FOR = timedelta(days=8)
TOKEN_ISSUED, TOKEN_REFUSED = "token.issued", "token.refused"
# Later, all events of a time are written: some are gathered in memory for up to a minute.
_WRITTEN_WITHIN = timedelta(seconds=90)


class TokenCount(BaseModel):
    """The events of `action` in the hour that begins at `hour`."""

    hour: datetime
    action: str
    count: int


class TokenCounts:
    """Exact, although every process counts: only one of them adds what it has counted."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def count(self) -> None:
        """Add the events since the last count; at first, those of the last `KEPT_FOR`."""
        now = self._clock()
        until = now - _WRITTEN_WITHIN
        # Counted outside the transaction that writes, so that no token waits for it.
        with self._database.reading() as session:
            seen = counts_store.counted_until(session)
            since = max(seen, until - KEPT_FOR)
            actions = (TOKEN_ISSUED, TOKEN_REFUSED)
            counts = counts_store.by_hour(session, actions, since, until) if since < until else {}
        if since >= until:
            return
        with self._database.transaction() as session:
            if counts_store.advance(session, seen, until):
                counts_store.add(session, counts)
                counts_store.delete_before(session, now - KEPT_FOR)

    def since(self, hour: datetime) -> list[TokenCount]:
        """The counts of the hours from `hour` on, the oldest first."""
        with self._database.reading() as session:
            return [
                TokenCount(hour=row.hour, action=row.action, count=row.count)
                for row in counts_store.since(session, hour)
            ]
