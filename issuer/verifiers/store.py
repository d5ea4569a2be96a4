"""Verifiers in SQL: some thousand rows at most, read as a whole."""

from collections.abc import Collection, Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from issuer.algorithms import AlgorithmInUse
from issuer.database.store import as_record, insert_into
from issuer.database.tables import AudienceRow, LeftOutVerifiersRow, VerifierRow
from issuer.verifiers.known_verifier import KnownVerifier, LeftOut, VerifierIdentity, VerifierReport

_ALGORITHM = (AudienceRow.signing_alg, AudienceRow.previous_alg, AudienceRow.alg_changes_at)
_ONLY = 1  # the id of the row of those left out
_KEY = (VerifierRow.audience_id, VerifierRow.address, VerifierRow.instance)


class VerifierStore:
    """Within one transaction. `locked` rows are read in order of keys: writers do not deadlock."""

    def __init__(self, session: Session, *, locked: bool = False) -> None:
        self._session = session
        self._locked = locked

    def all(self) -> list[KnownVerifier]:
        """Every one, in order of audience and address."""
        query = select(VerifierRow, *_ALGORITHM).join(AudienceRow).order_by(*_KEY)
        if self._locked:
            query = query.with_for_update(of=VerifierRow)
        rows: Iterable[Any] = self._session.execute(query)
        return [_known_verifier(row, AlgorithmInUse(*algorithm)) for row, *algorithm in rows]

    def algorithms(self, audiences: Collection[str]) -> dict[str, AlgorithmInUse]:
        """The algorithms of those audiences that exist."""
        query = select(AudienceRow.id, *_ALGORITHM).where(AudienceRow.id.in_(audiences))
        if self._locked:  # nobody deletes them meanwhile
            query = query.order_by(AudienceRow.id).with_for_update(read=True, key_share=True)
        rows: Iterable[Any] = self._session.execute(query)
        return {audience: AlgorithmInUse(*algorithm) for audience, *algorithm in rows}

    def save(self, verifiers: Iterable[KnownVerifier]) -> None:
        """Insert or replace them."""
        rows = [_values(each) for each in sorted(verifiers, key=lambda it: it.report.identity)]
        if rows:
            made = insert_into(self._session, VerifierRow)
            new = {name: made.excluded[name] for name in rows[0]}
            self._session.execute(made.on_conflict_do_update(index_elements=_KEY, set_=new), rows)

    def lock(self) -> None:
        """Two writers, one after the other: each counts what the other has added."""
        made = insert_into(self._session, LeftOutVerifiersRow)
        locked = made.on_conflict_do_update(index_elements=["id"], set_={"id": _ONLY})
        self._session.execute(locked, {"id": _ONLY, "number": 0, "last_at": None})

    def left_out(self) -> LeftOut | None:
        """What was left out last, by any process."""
        row = self._session.get(LeftOutVerifiersRow, _ONLY)
        return LeftOut(row.number, row.last_at) if row and row.last_at else None

    def note_left_out(self, left_out: LeftOut) -> None:
        """After `lock`."""
        row = self._session.get_one(LeftOutVerifiersRow, _ONLY)
        row.number, row.last_at = left_out.number, left_out.last_at

    def delete(self, identities: Collection[VerifierIdentity]) -> None:
        if identities:
            self._session.execute(delete(VerifierRow).where(tuple_(*_KEY).in_(identities)))


def _known_verifier(row: VerifierRow, algorithm: AlgorithmInUse) -> KnownVerifier:
    identity = VerifierIdentity(row.audience_id, row.address, row.instance)
    report = as_record(VerifierReport, row, identity=identity)
    return KnownVerifier(report, algorithm, row.first_seen_at, row.changed_at)


def _values(verifier: KnownVerifier) -> dict[str, Any]:
    said = asdict(verifier.report)
    audience, address, instance = said.pop("identity")
    key = {"audience_id": audience, "address": address, "instance": instance}
    instants = {"first_seen_at": verifier.first_seen_at, "changed_at": verifier.changed_at}
    return {**key, **said, "kids": list(said["kids"]), **instants}
