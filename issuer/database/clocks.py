"""Whether the clock of this machine agrees with that of the database, which all processes share."""

from datetime import datetime, timedelta

from issuer.clock import Clock
from issuer.database.database import Database
from issuer.errors import Unavailable
from issuer.vocabulary import CLOCKS_APART


def require_clock(database: Database, clock: Clock) -> None:
    """`Unavailable` if this machine's clock is more than half a minute from the database's.

    So those of two processes differ by at most `CLOCKS_APART`. Later or earlier times in rows would
    mislead other processes. SQLite has the clock of this machine.
    """
    if not database.is_sqlite:
        asked_at = clock()
        require_agreement(clock, database.now(), asked_at)


def require_agreement(clock: Clock, shown: datetime, asked_at: datetime) -> None:
    """The same, for the time that the database answered to a question of `asked_at`."""
    ahead = clock.ahead_of(shown, asked_at)
    if abs(ahead) > CLOCKS_APART / 2:
        direction = "ahead of" if ahead > timedelta(0) else "behind"
        raise Unavailable(
            f"The clock of this machine is {abs(ahead).total_seconds():.0f} s {direction} the"
            " database's: synchronise them."
        )
