"""Which issuer a database belongs to, and whether it accepts writes."""

from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from issuer.clock import Clock
from issuer.database.database import Database
from issuer.database.tables import DeploymentRow
from issuer.errors import ConfigurationError, Unavailable
from issuer.vocabulary import MAX_CLOCK_SKEW

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


def require_clock(database: Database, clock: Clock) -> None:
    """`Unavailable` if this machine's clock is more than half a minute from the database's.

    So those of two processes differ by at most `MAX_CLOCK_SKEW`. Later or earlier times in rows
    would mislead other processes. SQLite has the clock of this machine.
    """
    if not database.is_sqlite:
        asked_at = clock()
        require_agreement(clock, database.now(), asked_at)


def require_agreement(clock: Clock, shown: datetime, asked_at: datetime) -> None:
    """The same, for the time that the database answered to a question of `asked_at`."""
    ahead = clock.ahead_of(shown, asked_at)
    if abs(ahead) > MAX_CLOCK_SKEW / 2:
        direction = "ahead of" if ahead > timedelta(0) else "behind"
        raise Unavailable(
            f"The clock of this machine is {abs(ahead).total_seconds():.0f} s {direction} the"
            " database's: synchronise them."
        )
