"""Periodic background jobs, each in a thread of its own."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from issuer.errors import DatabaseUnavailable, IssuerError
from issuer.telemetry.logs import get_logger

_SECONDS_TO_STOP = 5.0
# A job that waits for another system, which may hang: its run is left to end with the process.
SECONDS_FOR_OTHERS = 1.0

log = get_logger(__name__)


class Periodic:
    """Runs `task` at an interval until it is stopped. Errors of a run are logged.

    `last_failure` says why a run failed, and when by the monotonic clock; it is kept after later
    runs. `is_failing` says whether the last run failed.
    """

    def __init__(
        self,
        name: str,
        every: timedelta,
        task: Callable[[], object],
        seconds_to_stop: float = _SECONDS_TO_STOP,
    ) -> None:
        self.name = name
        self.last_failure: tuple[str, float] | None = None
        self.is_failing = False
        self._every = every
        self._task = task
        self._seconds_to_stop = seconds_to_stop
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Wait `seconds_to_stop` for the current run to end; no other begins."""
        self._stopped.set()
        self._thread.join(self._seconds_to_stop)

    def _run(self) -> None:
        while not self._stopped.wait(self._every.total_seconds()):
            self.run_once()

    def run_once(self, task: Callable[[], object] | None = None) -> None:
        """One run in the caller's thread, of another task if one is given."""
        try:
            (task or self._task)()
        except DatabaseUnavailable as error:
            self._note_failure(str(error))  # logged once a minute, for all uses of the database
        except IssuerError as error:
            log.warning("background_task_failed", task=self.name, cause=str(error))
            self._note_failure(str(error))
        except Exception as error:
            # The thread must not end: the next run may succeed.
            log.exception("background_task_failed", task=self.name)
            self._note_failure(f"Unexpected error ({type(error).__name__}). The log has it.")
        else:
            self.is_failing = False

    def _note_failure(self, cause: str) -> None:
        self.last_failure, self.is_failing = (cause, time.monotonic()), True
