"""Whether the audit log can be written: without it no token can be issued."""

from issuer.audit.chain import ChainKey, End
from issuer.audit.chains import append
from issuer.audit.event import Event
from issuer.clock import Clock
from issuer.database import Database
from issuer.http.actor import Actor

# More than fits into the free pages that PostgreSQL on a full disk may still have.
_EVENTS = 200
_LIKE_A_TOKEN = {"text": "x" * 200}


def require_space(database: Database, clock: Clock, key: ChainKey) -> None:
    """`DatabaseUnavailable` unless many more events could be stored. Stores none."""
    event = Event(clock(), Actor(), "audit.tested", details=_LIKE_A_TOKEN)
    with database.statements() as connection:
        append(key, connection, "test", End(), [event] * _EVENTS)
        connection.rollback()
