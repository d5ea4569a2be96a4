"""The chain of one writer, to which no other writer appends."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from issuer.audit.chain import ChainKey, End
from issuer.audit.chains import append
from issuer.audit.event import Event
from issuer.database import Database
from issuer.database.counts import read_feed_count

# A chain is not continued when its last row is older: retention may have deleted that row.
RESTS_FOR = timedelta(days=1)


class OwnChain:
    """Appends in transactions of its own, without waiting for other writers."""

    def __init__(self, database: Database, key: ChainKey, random: Random) -> None:
        self._database = database
        self._key = key
        self._random = random
        self._id = self._new_id()
        self._end = End()
        self._last_at: datetime | None = None

    def append(self, events: Sequence[Event]) -> int:
        """Commit `events`; `Unavailable` if that fails.

        Returns the number of the last change of the revocation feed that was committed before.
        """
        if self._last_at and events[0].at - self._last_at > RESTS_FOR:
            self._begin_another()
        try:
            with self._database.statements() as connection:
                end = append(self._key, connection, self._id, self._end, events)
                feed_count = read_feed_count(connection)
        except BaseException:
            # It may have been committed or not: a new chain is right either way.
            self._begin_another()
            raise
        self._end, self._last_at = end, events[-1].at
        return feed_count

    def _begin_another(self) -> None:
        self._id, self._end, self._last_at = self._new_id(), End(), None

    def _new_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"
