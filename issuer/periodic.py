"""Background work of a process: one thread, one task, again and again."""

import threading
from collections.abc import Callable
from datetime import timedelta

import structlog

from issuer.errors import DatabaseUnavailable, IssuerError

_SECONDS_TO_STOP = 5

log = structlog.get_logger(__name__)


class Periodic:
    """Runs `task` every so often until it is stopped. What a run raises is logged, no more."""

    def __init__(self, name: str, every: timedelta, task: Callable[[], None]) -> None:
        self._name = name
        self._every = every
        self._task = task
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let the run under way end, if it does; there is no other."""
        self._stopped.set()
        self._thread.join(_SECONDS_TO_STOP)

    def _run(self) -> None:
        while not self._stopped.wait(self._every.total_seconds()):
            self.run_once()

    def run_once(self) -> None:
        """One run, in the caller's thread."""
        try:
            self._task()
        except DatabaseUnavailable:
            pass  # logged once a minute for all that need the database
        except IssuerError as error:
            log.warning("background_task_failed", task=self._name, cause=str(error))
        except Exception:
            # A dead thread would never see better days.
            log.exception("background_task_failed", task=self._name)
