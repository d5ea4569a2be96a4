"""Assertions that were used: none is accepted twice, by whichever process (RFC 7523 §3).

One statement uses an assertion, so that two requests cannot both use it.
"""

import hashlib
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from issuer.clock import Clock
from issuer.database import Database
from issuer.database.store import MAX_DELETED, delete_some, insert_new
from issuer.database.tables import UsedAssertionRow
from issuer.errors import InvalidCredentials, TooManyRequests
from issuer.telemetry.metrics import ASSERTIONS, Metrics
from issuer.vocabulary import MAX_CLOCK_SKEW

MAX_OF_A_CLIENT = 50_000
_COUNT_EVERY = 100
_RETRY_AFTER = timedelta(seconds=10)
_MAX_COUNTED = 10_000


@dataclass(eq=False, repr=False)
class UsedAssertions:
    """Kept as digests until they expire; a client that has used too many must wait."""

    _database: Database
    _clock: Clock
    _metrics: Metrics = field(default_factory=Metrics)
    most: int = MAX_OF_A_CLIENT

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._used: Counter[str] = Counter()
        self._full_until: dict[str, datetime] = {}

    def use(self, client_id: str, name: str, expires_at: datetime, now: datetime) -> None:
        """Durable when it returns. `name` tells it apart from others of the same client.

        `InvalidCredentials` if it was used before, `TooManyRequests` if the client has used too
        many that have not expired.
        """
        self._require_place(client_id, now)
        digest = hashlib.sha256(f"{client_id}\n{name}".encode("utf-8", "surrogatepass")).digest()
        with self._database.transaction() as session:
            if self._is_to_be_counted(client_id) and self._has_used_most(session, client_id, now):
                with self._lock:
                    self._full_until[client_id] = now + _RETRY_AFTER
                self._require_place(client_id, now)
            # A process whose clock is behind accepts it a little longer.
            until = expires_at + MAX_CLOCK_SKEW
            values = {"digest": digest, "client_id": client_id, "expires_at": until}
            if not insert_new(session, UsedAssertionRow, values):
                raise InvalidCredentials("the assertion was used before", client_id)

    def delete_expired(self) -> None:
        """Delete those that every process refuses by now."""
        deleted = MAX_DELETED
        while deleted == MAX_DELETED:
            with self._database.transaction() as session:
                is_over = UsedAssertionRow.expires_at < self._clock()
                deleted = delete_some(session, UsedAssertionRow, is_over)

    def _require_place(self, client_id: str, now: datetime) -> None:
        until = self._full_until.get(client_id)
        if until is not None and now < until:
            self._metrics.rate_limited(ASSERTIONS)
            retry_after = int(_RETRY_AFTER.total_seconds())
            raise TooManyRequests(f"more than {self.most} assertions of a client", retry_after)

    def _is_to_be_counted(self, client_id: str) -> bool:
        """The first of a client in this process, and then some: counting takes long."""
        with self._lock:
            if len(self._used) > _MAX_COUNTED:
                self._used.clear()
                self._full_until.clear()
            is_after_refusal = self._full_until.pop(client_id, None) is not None
            self._used[client_id] += 1
            return is_after_refusal or self._used[client_id] % _COUNT_EVERY == 1

    def _has_used_most(self, session: Session, client_id: str, now: datetime) -> bool:
        """Whether the client has used `most` that have not expired."""
        row = UsedAssertionRow
        used = select(1).where(row.client_id == client_id, row.expires_at > now)
        return session.scalar(used.offset(self.most - 1).limit(1)) is not None
