"""What a restore changes in the restored rows."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, case, delete, func, or_, select, update
from sqlalchemy.orm import Session

from issuer.database import tables as rows
from issuer.database.portable_rows import data_tables, reflect
from issuer.database.store import in_parts, rows_changed
from issuer.database.tables import AuthorizationCodeRow, ChangeCounter, ClientRow, UserRow

# Filled by the migrations.
_SEEDED = {"change_counter", "revocation_feed", "schema_compatibility", "token_counts_progress"}


@contextmanager
def session_on(connection: Connection) -> Iterator[Session]:
    """A session in the transaction of `connection`, which it does not end."""
    with Session(connection, expire_on_commit=False) as session:
        yield session
        session.flush()


def filled_tables(connection: Connection) -> list[str]:
    """The tables with rows that no migration has made."""
    tables = data_tables(connection)
    return [
        name
        for name, table in tables.items()
        if name not in _SEEDED and connection.execute(table.select().limit(1)).first()
    ]


def drop_our_tables(connection: Connection) -> list[str]:
    """Drop every table; if others than ours are there, drop none and return their names."""
    tables = data_tables(connection)
    if others := sorted(tables.keys() - rows.Base.metadata.tables.keys()):
        return others
    reflect(connection).drop_all(connection)
    return []


def delete_rows(connection: Connection, tables: Iterable[Table]) -> None:
    """Rows that the migrations have made, in tables without foreign keys."""
    for table in tables:
        connection.execute(delete(table))


def move_counters_on(session: Session, now: datetime, feed_issued_at: datetime) -> int:
    """Set the counters past every count that a process has seen; the number of the feed's change.

    A process that still runs, or another restore of the same archive, may have counted further
    than the archive, but never by one each microsecond. The feed gets an `iat` of at least `now`
    and `feed_issued_at`: verifiers refuse one that decreases.
    """
    least = int(now.timestamp() * 1_000_000)
    counter, feed = ChangeCounter.value, rows.RevocationFeedRow.count
    session.execute(update(ChangeCounter).values(value=_later(counter + 1, least), of_people=0))
    issued_at = _later(rows.RevocationFeedRow.issued_at, max(now, feed_issued_at))
    move = update(rows.RevocationFeedRow).values(count=_later(feed + 1, least), issued_at=issued_at)
    return session.scalars(move.returning(feed)).one()


def delete_unused_codes(session: Session) -> None:
    """Someone may have used them since."""
    session.execute(delete(rows.DeviceCodeRow))
    session.execute(delete(AuthorizationCodeRow).where(AuthorizationCodeRow.used_at.is_(None)))


def counted(session: Session, now: datetime) -> dict[str, int]:
    """How many there are, usable at `now`, that someone may have ended since."""

    def number(row: type[rows.Base], *which: Any) -> int:
        return session.scalar(select(func.count()).select_from(row).where(*which)) or 0

    secret = rows.ClientSecretRow
    return {
        "users": number(UserRow, UserRow.disabled.is_(False)),
        "clients": number(ClientRow, ClientRow.disabled.is_(False)),
        "acting_clients": number(ClientRow, ClientRow.act_rules.any()),
        "trusted_issuers": number(rows.TrustedIssuerRow, rows.TrustedIssuerRow.disabled.is_(False)),
        "assignments": number(rows.AssignmentRow),
        "memberships": number(rows.GroupMemberRow),
        "identities": number(rows.IdentityRow),
        "client_secrets": number(secret, or_(secret.expires_at.is_(None), secret.expires_at > now)),
        "passwords": number(UserRow, UserRow.password_hash.is_not(None)),
        "second_factors": number(rows.TotpSecretRow) + number(rows.PasskeyRow),
        "recovery_codes": number(rows.RecoveryCodeRow),
        "invitations": number(rows.InvitationRow, rows.InvitationRow.expires_at > now),
        "refresh_families": number(rows.RefreshFamilyRow),
        "sessions": number(rows.SignInSessionRow),
    }


def names_of(session: Session, ids: Collection[str]) -> dict[str, str]:
    """The names of the users, and of the clients that have one, with these ids."""
    columns = ((UserRow.id, UserRow.username), (ClientRow.client_id, ClientRow.name))
    queries = [
        select(key, name).where(key.in_(part)) for part in in_parts(ids) for key, name in columns
    ]
    return {key: name for query in queries for key, name in session.execute(query) if name}


def last_of_audit_log(session: Session) -> dict[str, int]:
    """The numbers of the last event and checkpoint, or 0."""
    last = {"last_event": rows.AuditEventRow.id, "last_checkpoint": rows.AuditCheckpointRow.number}
    return {name: session.scalar(select(func.max(at))) or 0 for name, at in last.items()}


def end_families_and_sessions(session: Session, sids: Collection[str]) -> int:
    """Delete the refresh families and the sessions that are a `sid`; how many."""
    number = 0
    for row in (rows.RefreshFamilyRow, rows.SignInSessionRow):
        for part in in_parts(sids):
            number += rows_changed(session, delete(row).where(row.id.in_(part)))
    return number


def _later(column: Any, value: Any) -> Any:
    return case((column < value, value), else_=column)
