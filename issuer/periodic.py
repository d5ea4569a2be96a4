"""Periodic background jobs, each in a thread of its own."""

import threading
from collections.abc import Callable
from datetime import timedelta

import structlog

from issuer.errors import DatabaseUnavailable, IssuerError

_SECONDS_TO_STOP = 5

log = structlog.get_logger(__name__)


class Periodic:
    """Runs `task` at an interval until it is stopped. Errors of a run are logged."""

    def __init__(self, name: str, every: timedelta, task: Callable[[], None]) -> None:
        self._name = name
        self._every = every
        self._task = task
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Wait some seconds for the current run to end; no other begins."""
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
            pass  # logged once a minute, for all uses of the database
        except IssuerError as error:
            log.warning("background_task_failed", task=self._name, cause=str(error))
        except Exception:
            # The thread must not end: the next run may succeed.
            log.exception("background_task_failed", task=self._name)
