"""Which issuer a database belongs to, and whether it accepts writes."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from issuer.database.database import Database
from issuer.database.tables import DeploymentRow
from issuer.errors import ConfigurationError

_ONLY = 1


def ensure_issuer(session: Session, issuer: str, now: datetime) -> None:
    """The database belongs to `issuer`; `ConfigurationError` if it belongs to another."""
    if session.get(DeploymentRow, _ONLY) is None:
        session.add(DeploymentRow(id=_ONLY, issuer=issuer, written_at=now))
        session.flush()
    require_issuer(session, issuer)


def require_issuer(session: Session, issuer: str) -> None:
    """`ConfigurationError` unless `issuer` is the `iss` of this database's tokens."""
    recorded = recorded_issuer(session)
    if recorded != issuer:
        raise ConfigurationError(
            f"ISSUER_URL is {issuer}, but this database belongs to {recorded}, and all its tokens"
            f" would be refused: set ISSUER_URL={recorded}, or move the database with"
            f" `ISSUER_URL={issuer} issuer admin change-url`."
        )


def require_same_issuer(database: Database, issuer: str) -> None:
    """`ConfigurationError` if the database was moved to another URL while the server runs."""
    with database.reading() as session:
        recorded = recorded_issuer(session)
    if recorded != issuer:
        raise ConfigurationError(
            f"The database was moved to {recorded} while this server ran with ISSUER_URL={issuer}:"
            f" restart it with ISSUER_URL={recorded}."
        )


def recorded_issuer(session: Session) -> str:
    """The issuer that the database belongs to; `ConfigurationError` before `issuer init`."""
    row = session.get(DeploymentRow, _ONLY)
    if row is None:
        raise ConfigurationError("The database is not initialised: run `issuer init` first.")
    return row.issuer


def change_issuer(session: Session, issuer: str) -> None:
    """The database belongs to `issuer` from now on."""
    session.execute(update(DeploymentRow).values(issuer=issuer))


def require_writable(database: Database, now: datetime) -> None:
    """`DatabaseUnavailable` if nothing can be written: read-only, full or unreachable.

    Commits a write, since a full disk may fail only then.
    """
    with database.transaction() as session:
        session.execute(update(DeploymentRow).values(written_at=now))
