"""Verifying the audit log: which is the first row that is not as it was written?"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from pydantic import BaseModel

from issuer.audit import store
from issuer.audit.chain_store import COLUMNS, ChainHead, ChainKey
from issuer.audit.checkpoints import Pruned, Statement, digest, ends_through, last_pruned
from issuer.database import Database
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
    number = row.number
    changed = ChainBroken(f"Checkpoint {number} was changed or inserted.", checkpoint=number)
    if not key.is_mac(row.mac, row.token):
        raise changed
    if (claims := read(row.token)) is None:
        what = f"Checkpoint {number} is not signed by a key of this issuer."
        raise ChainBroken(what, checkpoint=number)
    statement = Statement.read(claims)
    if (statement.number, statement.made_at) != (number, row.made_at):
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
            what = f"Checkpoint {number} does not follow the one before it."
            raise ChainBroken(what, checkpoint=number)
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


_CHAIN, _SEQ, _HASH = COLUMNS.index("chain"), COLUMNS.index("seq"), len(COLUMNS)


@dataclass(slots=True)
class _Chain:
    """How far it was verified, until the row with the id `row`, and the ends it must still have."""

    end: ChainHead
    row: int | None
    named: list[CheckpointedHead]  # the next one last


class ChainVerifier:
    """Verifies the rows; `ChainBroken` at the first that is not as it was written."""

    def __init__(self, key: ChainKey, anchors: Anchors) -> None:
        self._key = key
        self._anchors = anchors
        self.rows = 0
        self.ends = {chain: self._new(chain) for chain in anchors.starts}

    @property
    def unanchored(self) -> int:
        """How many rows no checkpoint covers yet."""
        anchored = {chain: start.seq for chain, start in self._anchors.starts.items()}
        anchored |= {chain: each[-1].end.seq for chain, each in self._anchors.named.items()}
        ends = self.ends.items()
        return sum(max(0, end.end.seq - anchored.get(chain, 0)) for chain, end in ends)

    def follow(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Verify all `rows`."""
        for row in rows:
            self.rows += 1
            if row[0] < self._anchors.first:
                raise _broken(row, "was deleted by retention and inserted again")
            self._follow(row)
        self._require_all()

    def _follow(self, row: tuple[Any, ...]) -> None:
        seq = row[_SEQ]
        chain = self.ends.get(row[_CHAIN]) or self._new(row[_CHAIN])
        expected = chain.end.seq + 1
        if seq != expected:
            if self._is_being_pruned(row):
                return
            what = "was changed, moved or inserted"
            if isinstance(seq, int) and seq > expected:
                what = f"does not follow: {seq - expected} rows before it in its chain were removed"
            raise _broken(row, what)
        if self._hash(chain.end.hash, row) != row[_HASH]:
            raise _broken(row, "was changed, moved or inserted")
        chain.end, chain.row = ChainHead(seq, row[_HASH]), row[0]
        while chain.named and chain.named[-1].end.seq == seq:
            named = chain.named.pop()
            if named.end.hash != row[_HASH]:
                raise _broken(
                    row,
                    f"is not the one that checkpoint {named.checkpoint} names: rows were cut"
                    " off there and others written afterwards",
                )
        self.ends[row[_CHAIN]] = chain

    def _require_all(self) -> None:
        for name in self._anchors.named:
            chain = self.ends.get(name) or self._new(name)
            if chain.named:
                named = chain.named[0]
                raise ChainBroken(
                    f"The chain was cut off after row {chain.row}:"
                    f" {named.end.seq - chain.end.seq} rows that checkpoint {named.checkpoint}"
                    " covers.",
                    row=chain.row,
                    chain=name,
                    seq=chain.end.seq,
                    checkpoint=named.checkpoint,
                )

    def _new(self, chain: Any) -> _Chain:
        start = self._anchors.starts.get(chain, ChainHead())
        return _Chain(start, None, list(reversed(self._anchors.named.get(chain, ()))))

    def _is_being_pruned(self, row: tuple[Any, ...]) -> bool:
        start, seq = self._anchors.starts.get(row[_CHAIN], ChainHead()), row[_SEQ]
        return self._anchors.is_pruning and isinstance(seq, int) and seq <= start.seq

    def _hash(self, before: bytes, row: tuple[Any, ...]) -> bytes | None:
        try:
            return self._key.hash(before, row[:_HASH])
        except TypeError:  # bytes where the issuer writes text
            return None


def _broken(row: tuple[Any, ...], what: str) -> ChainBroken:
    """At this row, whose chain and number may hold anything."""
    chain, seq = row[_CHAIN], row[_SEQ]
    return ChainBroken(
        f"Row {row[0]} {what}.",
        row=row[0],
        chain=ascii(chain).strip("'"),
        seq=seq if isinstance(seq, int) else None,
    )


class Verification(BaseModel):
    """The result: ok, or the first row that is not as it was written.

    `since` is where the audit log begins, if retention deleted older events. No checkpoint covers
    the newest `unanchored` rows, those after `anchored_until`, yet: cutting them off would not be
    detected.
    """

    ok: bool
    finding: AuditFinding | None
    rows: int
    chains: int
    unanchored: int
    checkpoints: int
    since: datetime | None
    anchored_until: datetime | None


def verify(database: Database, key: ChainKey, read: Read, kept: Sequence[str] = ()) -> Verification:
    """Verify every row and every checkpoint, and that those `kept` elsewhere are among them.

    `read` gives the claims of a checkpoint that this issuer signed, or None. Memory grows with
    the number of checkpoints and of chains, not with that of rows.
    """
    anchors = Anchors()
    verifier = ChainVerifier(key, anchors)
    with database.reading() as session:
        try:
            anchors = read_anchors(store.checkpoints(session), key, read, kept)
            verifier = ChainVerifier(key, anchors)
            verifier.follow(store.as_stored(session))
            finding = anchors.missing
        except ChainBroken as broken:
            finding = broken.finding
    return Verification(
        ok=finding is None,
        finding=finding,
        rows=verifier.rows,
        chains=len(verifier.ends),
        unanchored=verifier.unanchored,
        checkpoints=anchors.checkpoints,
        since=anchors.since,
        anchored_until=anchors.until,
    )
