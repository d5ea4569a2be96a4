"""Ending the statements of a reader whose caller has left."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from issuer.background.callers import WaitingCaller, present_caller
from issuer.errors import Unavailable

# Of SQLite's virtual machine: some milliseconds. A shorter statement is not interrupted.
_STEPS = 100_000
LEFT = "The caller has left."


def is_abandoned() -> bool:
    """Whether this thread works for a caller who has left."""
    caller = present_caller.get()
    return caller is not None and caller.has_left


@contextmanager
def ending_with_caller(session: Session) -> Iterator[None]:
    """Within it, `Unavailable` from the next statement on, or a driver's error from this one."""
    if (caller := present_caller.get()) is None:
        yield
        return

    def require_caller(_: object) -> None:
        if caller.has_left:
            raise Unavailable(LEFT)

    event.listen(session, "do_orm_execute", require_caller)
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    _watch(driver, caller)
    try:
        yield
    finally:
        _watch(driver, None)
        if caller.has_left and connection.dialect.name != "sqlite":
            connection.invalidate()  # the request to cancel may come late, to the next statement


def _watch(driver: Any, caller: WaitingCaller | None) -> None:
    if hasattr(driver, "set_progress_handler"):
        driver.set_progress_handler(caller and (lambda: caller.has_left), _STEPS)
    else:
        driver.caller = caller
