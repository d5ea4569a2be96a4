"""Deleting old events so that the rest can still be verified."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from issuer.audit import store
from issuer.audit.chain_store import CHANGES, ChainHead, ChainKey
from issuer.audit.checkpoints import Checkpoints, Pruned, Statement, digest, ends_through
from issuer.audit.trail import Trails
from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.errors import NotAllowed
from issuer.http.actor import Actor
from issuer.telemetry.logs import get_logger

_NOT_MORE_OFTEN = timedelta(days=1)
_RETENTION = Actor("issuer:retention")

log = get_logger(__name__)


@dataclass(frozen=True)
class Retention:
    """Keeps events for `keep`, and until the next checkpoint. Deletes only what one covers.

    First an audit event and a checkpoint announce what will be deleted; then it is deleted, page
    by page; then a checkpoint confirms it. After a crash, or in parallel, any process continues.
    """

    database: Database
    clock: Clock
    key: ChainKey
    trails: Trails
    checkpoints: Checkpoints
    keep: timedelta

    def prune(self) -> int:
        """Delete old events; how many. `NotAllowed` if checkpoints were changed."""
        with self.database.reading() as session:
            if self._plan(self._statements(session)) is None:
                return 0
        with self.database.changing() as session:
            statements = self._statements(session)
            planned = self._plan(statements)
            if planned is None:
                return 0
            # All that the checkpoints until that one cover.
            ends = ends_through(planned.through, statements)
            if planned not in (statement.pruned for statement in statements):
                planned = self._begin(session, planned, ends)
        deleted = self._delete(ends)
        self._finish(planned)
        log.info("audit_pruned", through=planned.through, deleted=deleted)
        return deleted

    def _statements(self, session: Session) -> list[Statement]:
        """All checkpoints, verified: a forged one must not decide what is deleted."""
        statements: list[Statement] = []
        before = None
        for row in store.checkpoints(session):
            statement = Statement.of(row.token)
            follows = before is None or statement.previous == digest(before)
            if not (follows and self.key.is_mac(row.mac, row.token)):
                raise NotAllowed(f"Checkpoint {row.number} was changed: nothing is deleted.")
            statements.append(statement)
            before = row.token
        return statements

    def _plan(self, statements: Sequence[Statement]) -> Pruned | None:
        pruned = [statement.pruned for statement in statements if statement.pruned]
        if pruned and not pruned[-1].done:
            return pruned[-1]
        too_old = self.clock() - self.keep
        old = [statement for statement in statements if statement.made_at <= too_old]
        if not old or (pruned and old[-1].made_at - pruned[-1].until < _NOT_MORE_OFTEN):
            return None
        return Pruned(old[-1].number, "", old[-1].made_at, {})

    def _begin(self, session: Session, planned: Pruned, ends: Mapping[str, ChainHead]) -> Pruned:
        token = store.checkpoints(session, after=planned.through - 1)[0].token
        begun = replace(planned, digest=digest(token), ends=_chain_starts(session, ends))
        trail = self.trails.begin(session, _RETENTION)
        trail.note("audit.pruned", "audit_events", until=begun.until.isoformat())
        self.checkpoints.add(session, begun)
        return begun

    def _delete(self, ends: Mapping[str, ChainHead]) -> int:
        deleted = 0
        for chain, end in ends.items():
            while count := self._delete_page(chain, end.seq):
                deleted += count
        return deleted

    def _delete_page(self, chain: str, through: int) -> int:
        """In a transaction of its own, so that other writers do not wait long."""
        with self.database.transaction() as session:
            return store.delete_of_chain(session, chain, through)

    def _finish(self, begun: Pruned) -> None:
        with self.database.changing() as session:
            if self._plan(self._statements(session)) != begun:
                return  # another process was faster
            first = store.first_id(session)
            self.checkpoints.add(session, replace(begun, first=first, done=True))
            store.delete_checkpoints(session, begun.through)


def _chain_starts(session: Session, ends: Mapping[str, ChainHead]) -> dict[str, ChainHead]:
    """The chains that have newer rows. One that rested so long is never continued."""
    now, none = store.ends(session), ChainHead()
    newer = {chain for chain, end in ends.items() if now.get(chain, none).seq > end.seq}
    return {chain: end for chain, end in ends.items() if chain == CHANGES or chain in newer}
