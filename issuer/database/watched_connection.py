"""A connection to PostgreSQL. Imported with the first one: SQLite needs no psycopg."""

import time
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

from psycopg import Connection, Error, OperationalError
from psycopg.abc import PQGen
from psycopg.waiting import Ready, Wait

from issuer.background.workers import WaitingCaller

_SECONDS_TO_CANCEL = 2


class WatchedConnection(Connection[Any]):
    """Closes itself when the server sends nothing for `max_silence` seconds during a statement.

    TCP notices only a network or a machine that is gone. A stopped server, a proxy without its
    server, and a commit that waits for a standby all keep the connection open. It cancels the
    statement when its `caller` has left.
    """

    max_silence: Callable[[], float | None] = staticmethod(lambda: None)
    caller: WaitingCaller | None = None

    def wait(self, gen: PQGen[Any], *args: Any, **kwargs: Any) -> Any:
        """Wait for an answer, as psycopg does; `OperationalError` after `max_silence` seconds."""
        if (seconds := self.max_silence()) is not None:
            gen = self._wait_at_most(gen, seconds)
        if self.caller is not None:
            gen = self._for_caller(gen, self.caller)
        return super().wait(gen, *args, **kwargs)

    def _for_caller(
        self, gen: PQGen[Any], caller: WaitingCaller
    ) -> Generator[Wait, Ready | int, Any]:
        """`gen`, which the server ends with an error once the caller has left."""
        is_cancelled = False
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if caller.has_left and not is_cancelled:
                    is_cancelled = True
                    with suppress(Error):  # it ends by its timeout
                        self.cancel_safe(timeout=_SECONDS_TO_CANCEL)
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _wait_at_most(self, gen: PQGen[Any], seconds: float) -> Generator[Wait, Ready | int, Any]:
        """`gen`, resumed at least every 0.1 s, with `Ready.NONE` if nothing came."""
        try:
            wanted, heard_at = next(gen), time.monotonic()
            while True:
                ready = yield wanted
                if ready != Ready.NONE:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > seconds:
                    self.pgconn.finish()
                    raise OperationalError(f"the server did not answer for {seconds:g} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value
