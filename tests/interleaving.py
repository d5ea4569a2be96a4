"""A second transaction at a chosen moment of the first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy import text as sql

from tests.builders import Deployment


@contextmanager
def right_after(deployment: Deployment, text: str, change: Callable[[], None]) -> Iterator[None]:
    """Make the change once, after the first statement that has the text."""
    changed: list[bool] = []

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if text in statement and not changed:
            changed.append(True)
            change()

    event.listen(deployment.services.database.engine, "after_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(deployment.services.database.engine, "after_cursor_execute", look)
    assert changed


def is_one_blocked(deployment: Deployment) -> bool:
    """Whether a session of PostgreSQL waits for a lock."""
    return number_blocked(deployment) > 0


def number_blocked(deployment: Deployment) -> int:
    """How many sessions of PostgreSQL wait for a lock."""
    waiting = sql(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with deployment.services.database.engine.connect() as connection:
        return int(connection.scalar(waiting))
