"""Assertions that were used: none is accepted twice, by whichever process (RFC 7523 §3).

One statement uses those of many requests, so that two requests cannot both use one.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select

from issuer.background.batches import BatchWorker
from issuer.clock import Clock
from issuer.database import Connection, Database, Session
from issuer.database.store import MAX_DELETED, delete_some, insert_into
from issuer.database.tables import UsedAssertionRow
from issuer.errors import TooManyRequests, UsedBefore
from issuer.telemetry.metrics import ASSERTIONS, WRITE, Metrics
from issuer.vocabulary import MAX_CLOCK_SKEW

MAX_OF_A_CLIENT = 50_000
_COUNT_EVERY = 100
_RETRY_AFTER = timedelta(seconds=10)
_MAX_CLIENTS = 10_000


class AssertionUse(NamedTuple):
    """A row to insert."""

    digest: bytes
    client_id: str
    expires_at: datetime


@dataclass(eq=False, repr=False)
class UsedAssertions:
    """Kept as digests until they expire; a client that has used too many must wait.

    Proofs of possession are kept likewise, by the thumbprint of their key in place of the client.
    """

    _database: Database
    _clock: Clock
    _metrics: Metrics = field(default_factory=Metrics)
    most: int = MAX_OF_A_CLIENT

    def __post_init__(self) -> None:
        self._uncounted: dict[str, int] = {}  # how many more uses of a client are not counted
        self._full_until: dict[str, datetime] = {}
        self.writer = BatchWorker("assertion-writer", self._use_all)

    async def use(self, client_id: str, name: str, expires_at: datetime) -> None:
        """Durable when it returns. `name` tells it apart from others of the same client.

        `UsedBefore` if it was, `TooManyRequests` if the client has used too
        many that have not expired.
        """
        use = self.place(client_id, name, expires_at)
        self.require_used(use, is_used=await self.writer.run(use))

    def use_within(self, session: Session, client_id: str, name: str, expires_at: datetime) -> None:
        """Use an assertion in the caller's transaction: where that fails, it was not used."""
        use = self.place(client_id, name, expires_at)
        (is_used,) = self.insert(session.connection(), [use])
        self.require_used(use, is_used=is_used)

    def delete_expired(self) -> None:
        """Delete those that every process refuses by now."""
        row, clock = UsedAssertionRow, self._clock
        self._database.in_batches(
            lambda session: delete_some(session, row, row.expires_at < clock()) == MAX_DELETED
        )

    def _use_all(self, uses: Sequence[AssertionUse]) -> list[bool]:
        """Whether this used each assertion: it is new, and its client has a place."""
        with self._database.statements(WRITE) as connection:
            return self.insert(connection, uses)

    def insert(self, connection: Connection, uses: Sequence[AssertionUse]) -> list[bool]:
        """Whether the transaction uses each assertion."""
        numbers = Counter(each.client_id for each in uses)
        full = {each for each in numbers if self._is_full(connection, each, numbers[each])}
        rows = {each.digest: each for each in uses if each.client_id not in full}
        new = _insert_new(connection, sorted(rows.values()))
        # Of one assertion in two requests, `rows` has the last.
        return [each.digest in new and rows[each.digest] is each for each in uses]

    def place(self, client_id: str, name: str, expires_at: datetime) -> AssertionUse:
        """The row for a use; `TooManyRequests`."""
        self._require_place(client_id)
        text = f"{client_id}\n{name}".encode("utf-8", "surrogatepass")
        # A process whose clock is behind accepts it a little longer.
        return AssertionUse(hashlib.sha256(text).digest(), client_id, expires_at + MAX_CLOCK_SKEW)

    def require_used(self, use: AssertionUse, *, is_used: bool) -> None:
        """`InvalidCredentials` or `TooManyRequests` unless it was used."""
        if not is_used:
            self._require_place(use.client_id)
            raise UsedBefore("the assertion was used before", use.client_id)

    def _require_place(self, client_id: str) -> None:
        until = self._full_until.get(client_id)
        if until is not None and self._clock() < until:
            self._metrics.rate_limited(ASSERTIONS)
            retry_after = int(_RETRY_AFTER.total_seconds())
            reason = f"more than {self.most} assertions of a client, or proofs by a key"
            raise TooManyRequests(reason, retry_after)

    def _is_full(self, connection: Connection, client_id: str, number: int) -> bool:
        """Whether the client has used `most` that have not expired, and must wait with `number`.

        Counted at the first use in this process, and then at some: it takes long.
        """
        if len(self._uncounted) > _MAX_CLIENTS:
            self._uncounted.clear()
            self._full_until.clear()
        self._uncounted[client_id] = left = self._uncounted.get(client_id, 0) - number
        if left >= 0:
            return False
        row, now = UsedAssertionRow, self._clock()
        used = select(1).where(row.client_id == client_id, row.expires_at > now)
        if connection.scalar(used.offset(self.most - 1).limit(1)) is not None:
            self._full_until[client_id] = now + _RETRY_AFTER
            return True
        self._uncounted[client_id] = max(_COUNT_EVERY, self.most // 500)
        return False


def _insert_new(connection: Connection, rows: Sequence[AssertionUse]) -> set[bytes]:
    """The digests of those that are new. `rows` are in order: else two processes might deadlock."""
    if not rows:
        return set()
    adding = insert_into(connection, UsedAssertionRow).on_conflict_do_nothing()
    digests = adding.returning(UsedAssertionRow.digest)
    return set(connection.scalars(digests, [each._asdict() for each in rows]))
