"""The audit table. Rows are added and read, never changed; retention deletes the oldest."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, delete, func, literal_column, select
from sqlalchemy.orm import Session, aliased

from issuer.audit.chain_store import CHANGES, NAMES, ChainHead
from issuer.database.counts import lock_changes
from issuer.database.engine import sqlite_connection
from issuer.database.tables import AuditCheckpointRow, AuditEventRow

_PAGE = 5_000

_END_OF_CHANGES = (
    select(AuditEventRow.seq, AuditEventRow.hash)
    .where(AuditEventRow.chain == CHANGES)
    .order_by(AuditEventRow.seq.desc())
    .limit(1)
)
_AS_STORED: dict[str, dict[str, str]] = {
    "sqlite": {},
    "postgresql": {
        "at": "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
        "details": "details::text",
    },
}


def end_of_changes(session: Session) -> ChainHead:
    """Where the chain of changes ends. Waits for other changes, as `Database.changing` does."""
    lock_changes(session)
    row = session.connection().execute(_END_OF_CHANGES).first()
    return ChainHead() if row is None else ChainHead(*row)


def ends(session: Session) -> dict[str, ChainHead]:
    """Where every chain ends. Takes a few index look-ups for each chain, however long it is."""
    first = select(func.min(AuditEventRow.chain).label("chain")).cte("chains", recursive=True)
    following = (
        select(func.min(AuditEventRow.chain))
        .where(AuditEventRow.chain > first.c.chain)
        .scalar_subquery()
    )
    chains = first.union_all(select(following).where(first.c.chain.is_not(None)))
    last = aliased(AuditEventRow)
    newest = select(func.max(last.seq)).where(last.chain == chains.c.chain).scalar_subquery()
    query = select(AuditEventRow.chain, AuditEventRow.seq, AuditEventRow.hash).join(
        chains, (AuditEventRow.chain == chains.c.chain) & (AuditEventRow.seq == newest)
    )
    return {row.chain: ChainHead(row.seq, row.hash) for row in session.execute(query)}


def as_stored(session: Session) -> Iterator[tuple[Any, ...]]:
    """Every row, oldest first: its `COLUMNS` and its hash, just as stored. Reads page by page."""
    special = _AS_STORED[_dialect(session)]
    # Without a type, so that SQLAlchemy does not convert what the driver returns.
    columns: list[ColumnElement[Any]] = [literal_column(special.get(name, name)) for name in NAMES]
    page = select(*columns).select_from(AuditEventRow).order_by(AuditEventRow.id).limit(_PAGE)
    last, connection = first_id(session) - 1, session.connection()
    with _whatever_bytes(session):
        while rows := connection.execute(page.where(AuditEventRow.id > last)).all():
            yield from rows
            last = rows[-1][0]


def first_id(session: Session) -> int:
    """The id of the oldest row."""
    return session.scalars(select(func.min(AuditEventRow.id))).one() or 0


def last_id(session: Session) -> int:
    """The id of the newest row."""
    return session.scalars(select(func.max(AuditEventRow.id))).one() or 0


def delete_of_chain(session: Session, chain: str, through: int) -> int:
    """Delete rows of `chain` until the one numbered `through`, at most a page; how many."""
    of_chain = (AuditEventRow.chain == chain) & (AuditEventRow.seq <= through)
    oldest = select(AuditEventRow.id).where(of_chain).order_by(AuditEventRow.seq).limit(_PAGE)
    ids = session.scalars(oldest).all()
    session.execute(delete(AuditEventRow).where(AuditEventRow.id.in_(ids)))
    return len(ids)


def checkpoints(session: Session, after: int = 0) -> Sequence[AuditCheckpointRow]:
    """The checkpoints after number `after`, the oldest first."""
    query = select(AuditCheckpointRow).where(AuditCheckpointRow.number > after)
    return session.scalars(query.order_by(AuditCheckpointRow.number)).all()


def newest_checkpoint(session: Session) -> AuditCheckpointRow | None:
    query = select(AuditCheckpointRow).order_by(AuditCheckpointRow.number.desc()).limit(1)
    return session.scalars(query).first()


def add_checkpoint(session: Session, **columns: object) -> None:
    session.add(AuditCheckpointRow(**columns))
    session.flush()


def delete_checkpoints(session: Session, through: int) -> None:
    """Delete those until number `through`."""
    session.execute(delete(AuditCheckpointRow).where(AuditCheckpointRow.number <= through))


@contextmanager
def _whatever_bytes(session: Session) -> Iterator[None]:
    """SQLite stores any bytes as text: invalid UTF-8 must not stop the verification."""
    if _dialect(session) != "sqlite":
        yield
        return
    connection = sqlite_connection(session.connection())
    connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        connection.text_factory = str


def _dialect(session: Session) -> str:
    return session.get_bind().dialect.name
