"""Verifying the audit log: which is the first row that is not as it was written?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from issuer.audit import store
from issuer.audit.anchors import (
    Anchors,
    AuditFinding,
    ChainBroken,
    CheckpointedHead,
    Read,
    read_anchors,
)
from issuer.audit.chain_store import COLUMNS, ChainHead, ChainKey
from issuer.database import Database

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
        """`ChainBroken` if rows are missing at the end of a chain."""
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
