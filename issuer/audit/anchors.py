"""Verifying the checkpoints, and what they say about the rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from pydantic import BaseModel

from issuer.audit.chain_store import ChainHead, ChainKey
from issuer.audit.statement import Pruned, Statement, digest, ends_through, last_pruned
from issuer.database.tables import AuditCheckpointRow

Read: TypeAlias = Callable[[str], dict[str, Any] | None]


class AuditFinding(BaseModel):
    """What is wrong, and where: a row, what is missing after a row, or a checkpoint."""

    what: str
    row: int | None = None
    chain: str | None = None
    seq: int | None = None
    checkpoint: int | None = None


class ChainBroken(Exception):
    """The audit log is not as it was written."""

    def __init__(self, what: str, **where: Any) -> None:
        super().__init__(what)
        self.finding = AuditFinding(what=what, **where)


@dataclass(frozen=True, slots=True)
class CheckpointedHead:
    """The end of a chain according to a checkpoint."""

    end: ChainHead
    checkpoint: int


@dataclass
class Anchors:
    """Where the chains begin, and which rows they must have.

    `starts` are where retention has cut the chains, at `since`. Rows until there exist only while
    it `is_pruning`, and none before the row `first`. `named` is in order of `seq`.
    """

    starts: Mapping[str, ChainHead] = field(default_factory=dict)
    named: dict[str, list[CheckpointedHead]] = field(default_factory=dict)

    is_pruning: bool = False
    first: int = 0
    checkpoints: int = 0
    since: datetime | None = None
    until: datetime | None = None
    missing: AuditFinding | None = None


def read_anchors(
    rows: Sequence[AuditCheckpointRow], key: ChainKey, read: Read, kept: Sequence[str]
) -> Anchors:
    """What the checkpoints say, and those `kept` elsewhere; `ChainBroken` if one was changed."""
    statements = [_check_row(row, key, read) for row in rows]
    pruned = last_pruned(statements, done=True)
    _require_series(rows, statements, pruned)
    anchors = Anchors(checkpoints=len(rows))
    if pruned is not None:
        anchors.starts, anchors.first = pruned.ends, pruned.first
        anchors.since = pruned.until
    pruning = last_pruned(statements, done=False)
    if pruning is not None and (pruned is None or pruning.through > pruned.through):
        anchors.is_pruning = True
        anchors.starts = ends_through(pruning.through, statements)
    if statements:
        anchors.until = statements[-1].made_at
    known = {row.number: row.token for row in rows}
    anchors.missing = _find_missing(known, kept, read, statements, pruned)
    anchors.named = _named_heads(statements, anchors.starts)
    return anchors


def _named_heads(
    statements: Iterable[Statement], starts: Mapping[str, ChainHead]
) -> dict[str, list[CheckpointedHead]]:
    """By chain, the heads that checkpoints name after its start, in order of `seq`."""
    heads: dict[str, list[CheckpointedHead]] = {}
    for statement in statements:
        for chain, end in statement.ends.items():
            if end.seq > starts.get(chain, ChainHead()).seq:
                heads.setdefault(chain, []).append(CheckpointedHead(end, statement.number))
    for of_chain in heads.values():
        of_chain.sort(key=lambda head: head.end.seq)
    return heads


def _check_row(row: AuditCheckpointRow, key: ChainKey, read: Read) -> Statement:
    changed = ChainBroken(
        f"Checkpoint {row.number} was changed or inserted.", checkpoint=row.number
    )
    if not key.is_mac(row.mac, row.token):
        raise changed
    if (claims := read(row.token)) is None:
        what = f"Checkpoint {row.number} is not signed by a key of this issuer."
        raise ChainBroken(what, checkpoint=row.number)
    statement = Statement.read(claims)
    if (statement.number, statement.made_at) != (row.number, row.made_at):
        raise changed
    return statement


def _require_series(
    rows: Sequence[AuditCheckpointRow], statements: Sequence[Statement], pruned: Pruned | None
) -> None:
    """Each follows the one before; the first follows what retention deleted."""
    number, previous = (pruned.through, pruned.digest) if pruned else (0, None)
    for row, statement in zip(rows, statements, strict=True):
        number += 1
        if row.number != number:
            what = f"Checkpoint {number} was removed."
            if row.number < number:
                what = f"Checkpoint {row.number} was deleted by retention and inserted again."
            raise ChainBroken(what, checkpoint=min(number, row.number))
        if statement.previous != previous:
            raise ChainBroken(
                f"Checkpoint {number} does not follow the one before it.", checkpoint=number
            )
        previous = digest(row.token)


def _find_missing(
    known: Mapping[int, str],
    kept: Sequence[str],
    read: Read,
    statements: list[Statement],
    pruned: Pruned | None,
) -> AuditFinding | None:
    """The finding, if a checkpoint that was kept elsewhere is not in the database.

    Adds its statement to `statements`, so that the rows it covers are checked.
    """
    missing = None
    for token in kept:
        if (claims := read(token)) is None:
            raise ChainBroken("A kept checkpoint is not signed by a key of this issuer.")
        statement = Statement.read(claims)
        is_deleted = pruned is not None and statement.number <= pruned.through
        if is_deleted or known.get(statement.number) == token:
            continue
        statements.append(statement)
        what = f"The kept checkpoint {statement.number} is not in the database."
        missing = missing or AuditFinding(what=what, checkpoint=statement.number)
    return missing
