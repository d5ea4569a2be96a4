"""How events are chained: each row carries a keyed hash (HMAC) over itself and the row before it.

Someone who can change the table but cannot read the master key cannot remove, insert or change a
row without detection.
"""

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from issuer.audit import store
from issuer.audit.event import Event
from issuer.database import Connection, Database
from issuer.database.counts import read_feed_count

# The chain of events written in the transaction of a change: one for all processes.
CHANGES = "changes"
HASH_BYTES = 32

# The columns that are hashed, in this order.
COLUMNS = (
    *("id", "at", "actor", "action", "target", "outcome", "reason", "request_id", "address"),
    *("count", "details", "chain", "seq"),
)

_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last row of a chain, which the next one continues; the default is an empty chain."""

    seq: int = 0
    hash: bytes = bytes(HASH_BYTES)


@dataclass(frozen=True, slots=True)
class Linked:
    """A row to be added, and its hash, which is over `stored`.

    `stored` are its `COLUMNS`, with instant and details as text, the same on both databases: rows
    may be moved from one to the other. `details` are those of the event, not as text.
    """

    stored: tuple[Any, ...]
    details: dict[str, object]
    hash: bytes


class ChainKey:
    """The key of every hash in the audit log."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hash(self, before: bytes, columns: Sequence[object]) -> bytes:
        """The hash of the row with these `COLUMNS`, as stored, after one with the hash `before`.

        `TypeError` for a value that the issuer never writes.
        """
        return hmac.digest(self._key, before + _encode(columns).encode(), "sha256")

    def mac(self, token: str) -> bytes:
        """The hash of a checkpoint."""
        return hmac.digest(self._key, b"checkpoint " + token.encode(), "sha256")

    def is_mac(self, mac: bytes, token: str) -> bool:
        """Whether `mac` is the hash of the checkpoint."""
        return hmac.compare_digest(mac, self.mac(token))

    def linked(self, event: Event, row_id: int, chain: str, end: ChainHead) -> "Linked":
        """The row of `event` that follows `end` in `chain`."""
        details = dict(event.details)
        stored = (
            row_id,
            _instant(event.at),
            event.actor.id,
            event.action,
            event.target,
            event.outcome.value,
            event.reason,
            event.actor.request_id,
            event.actor.address,
            event.count,
            json.dumps(details),
            chain,
            end.seq + 1,
        )
        return Linked(stored, details, self.hash(end.hash, stored))


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def append(
    key: ChainKey, connection: Connection, chain: str, end: ChainHead, events: Sequence[Event]
) -> ChainHead:
    """Add `events` after `end` in one statement; the new end, if the transaction commits."""
    rows = []
    for row_id, event in zip(store.new_ids(connection, len(events)), events, strict=True):
        row = key.linked(event, row_id, chain, end)
        end = ChainHead(end.seq + 1, row.hash)
        rows.append(row)
    store.add(connection, rows)
    return end


# A chain is not continued when its last row is older: retention may have deleted that row.
RESTS_FOR = timedelta(days=1)


class OwnChain:
    """Appends in transactions of its own, without waiting for other writers."""

    def __init__(self, database: Database, key: ChainKey, random: Random) -> None:
        self._database = database
        self._key = key
        self._random = random
        self._id = self._new_id()
        self._end = ChainHead()
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
        self._id, self._end, self._last_at = self._new_id(), ChainHead(), None

    def _new_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"
