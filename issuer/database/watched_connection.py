"""A connection to PostgreSQL. Imported with the first one: SQLite needs no psycopg."""

import time
from collections.abc import Callable, Generator
from typing import Any

from psycopg import Connection, OperationalError
from psycopg.abc import PQGen
from psycopg.waiting import Ready, Wait


class WatchedConnection(Connection[Any]):
    """Closes itself when the server sends nothing for `max_silence` seconds during a statement.

    TCP notices only a network or a machine that is gone. A stopped server, a proxy without its
    server, and a commit that waits for a standby all keep the connection open.
    """

    max_silence: Callable[[], float | None] = staticmethod(lambda: None)

    def wait(self, gen: PQGen[Any], *args: Any, **kwargs: Any) -> Any:
        """As psycopg's, which calls it for every answer; `OperationalError` after the silence."""
        seconds = self.max_silence()
        return super().wait(
            gen if seconds is None else self._bounded(gen, seconds), *args, **kwargs
        )

    def _bounded(self, gen: PQGen[Any], seconds: float) -> Generator[Wait, Ready | int, Any]:
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
