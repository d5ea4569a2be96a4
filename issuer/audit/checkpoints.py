"""Checkpoints: signed statements of where the chains end, each naming the one before it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from issuer.audit import store
from issuer.audit.chain_store import ChainHead, ChainKey
from issuer.audit.statement import Pruned, Statement, digest
from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.database.tables import AuditCheckpointRow
from issuer.telemetry.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The newest checkpoint, if there is one, and the last row of each chain that one covers.

    `uncovered` rows could be cut off undetected. Not `is_intact` if covered rows are missing at the
    end of a chain, or if the checkpoint was changed; only `verify` checks every row.
    """

    number: int | None
    made_at: datetime | None
    covered: Mapping[str, int]
    uncovered: int
    is_intact: bool


@dataclass(eq=False)
class Checkpoints:
    """Makes checkpoints. Rows that one covers cannot be cut off undetected."""

    database: Database
    clock: Clock
    issuer: str
    key: ChainKey
    sign: Callable[[Mapping[str, object]], str]
    # When a checkpoint last covered every event, as far as this process knows.
    covered_at: datetime | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _newest: int = field(default=0, init=False)
    _named: dict[str, ChainHead] = field(default_factory=dict, init=False)

    def coverage(self) -> "Coverage":
        """What the newest checkpoint covers now, from a few index look-ups for each chain."""
        with self._lock, self.database.reading() as session:
            newest = self._catch_up(session)
            ends = {chain: end.seq for chain, end in store.ends(session).items()}
            covered = {chain: end.seq for chain, end in self._named.items()}
        uncovered = sum(max(0, seq - covered.get(chain, 0)) for chain, seq in ends.items())
        missing = any(seq < covered.get(chain, 0) for chain, seq in ends.items())
        number, made_at = (newest.number, newest.made_at) if newest else (None, None)
        is_intact = not missing and (newest is None or self.key.is_mac(newest.mac, newest.token))
        return Coverage(number, made_at, covered, uncovered, is_intact=is_intact)

    def make(self, unless_since: datetime | None = None) -> str | None:
        """Make a checkpoint if there are events since the newest; the token of the newest.

        Makes none if there is one since `unless_since`. Returns None if there is none at all.
        """
        with self._lock:
            with self.database.reading() as session:
                self._catch_up(session)
            with self.database.changing() as session:
                newest = self._catch_up(session)
                if newest and unless_since and newest.made_at > unless_since:
                    self.covered_at = newest.made_at
                    return newest.token
                now, grown = self.clock(), self._grown(session)
                token = newest.token if newest else None
                if grown:
                    token = self._add(session, grown)
        self.covered_at = now
        return token

    def add(self, session: Session, pruned: Pruned) -> None:
        """A checkpoint that says what was deleted, in the transaction of a change."""
        with self._lock:
            self._catch_up(session)
            self._add(session, self._grown(session), pruned)

    def _add(
        self, session: Session, grown: Mapping[str, ChainHead], pruned: Pruned | None = None
    ) -> str:
        """Store a checkpoint, and log it: an attacker on the database may not reach the logs."""
        before = store.newest_checkpoint(session)
        number, previous = (before.number + 1, digest(before.token)) if before else (1, None)
        now = self.clock().replace(microsecond=0)
        statement = Statement(self.issuer, number, now, previous, grown, pruned)
        token = self.sign(statement.claims())
        mac = self.key.mac(token)
        store.add_checkpoint(session, number=number, made_at=now, token=token, mac=mac)
        log.info("audit_checkpoint", number=number, token=token)
        return token

    def _catch_up(self, session: Session) -> AuditCheckpointRow | None:
        """Read the checkpoints of other processes; the newest checkpoint."""
        newest = store.newest_checkpoint(session)
        if self._newest > (newest.number if newest else 0):
            log.critical("audit_checkpoints_missing", after=newest and newest.number)
            self._newest, self._named = 0, {}
        for row in store.checkpoints(session, after=self._newest):
            self._newest = row.number
            if self.key.is_mac(row.mac, row.token):
                self._named.update(Statement.of(row.token).ends)
            else:
                log.critical("audit_checkpoint_changed", number=row.number)
        return newest

    def _grown(self, session: Session) -> dict[str, ChainHead]:
        grown = {}
        for chain, end in store.ends(session).items():
            known = self._named.get(chain, ChainHead())
            if end.seq > known.seq:
                grown[chain] = end
            elif end != known:
                log.critical("audit_events_missing", chain=chain, after=end.seq)
        return grown
