"""Fork worker processes, and replace those that are killed; signals and memory of a process."""

import ctypes
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable

from issuer.telemetry.logs import get_logger

_END = {signal.SIGINT, signal.SIGTERM}
_WATCHED = {*_END, signal.SIGCHLD}

log = get_logger(__name__)


def end_quietly_on_signals() -> None:
    """Ctrl-C and SIGTERM end the process with status 0, from its first moment to its last."""
    for number in _END:
        signal.signal(number, lambda *_: sys.exit(0))


def end_on_sigterm() -> None:
    """SIGTERM ends the process as Ctrl-C does: after what it has begun was cleaned up."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def fork_workers(count: int, ended: Callable[[int], None]) -> bool:
    """Return in `count` forked workers; True in the first of them.

    The parent does not return and ends with them. A worker that is killed is replaced. One that
    exits with an error would do so again: then all end, with status 1. The parent calls `ended`
    with the process id of each worker that has ended.
    """
    gc.collect()
    gc.freeze()
    return _Parent(ended).watch(count)


class _Parent:
    def __init__(self, note_ended: Callable[[int], None]) -> None:
        self._note_ended = note_ended
        self._workers: set[int] = set()
        self._ending = False
        self._failed = False
        # Never written to: a read returns once the parent has ended, however it ended.
        self._parent_pipe, self._parent_end = os.pipe()

    def watch(self, count: int) -> bool:
        # Waited for, not handled: a signal between two instructions is never lost.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        for number in range(count):
            if self._fork():
                return number == 0
        while self._workers:
            if signal.sigwait(_WATCHED) in _END:
                self._end()
            for pid, status in self._collect_ended():
                if self._may_replace(pid, status) and self._fork():
                    return False
        sys.exit(1 if self._failed else 0)

    def _fork(self) -> bool:
        """True in the new worker."""
        if pid := os.fork():
            self._workers.add(pid)
            return False
        os.close(self._parent_end)
        threading.Thread(target=self._end_with_the_parent, daemon=True).start()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        end_quietly_on_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        return True

    def _end_with_the_parent(self) -> None:
        os.read(self._parent_pipe, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _end(self) -> None:
        self._ending = True
        for pid in self._workers:
            os.kill(pid, signal.SIGTERM)

    def _collect_ended(self) -> list[tuple[int, int]]:
        """Workers that have ended since the last look, each with its status."""
        ended = []
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            if pid in self._workers:  # the first process of a container inherits others
                self._workers.remove(pid)
                ended.append((pid, os.waitstatus_to_exitcode(status)))
                self._note_ended(pid)
        return ended

    def _may_replace(self, pid: int, status: int) -> bool:
        if self._ending:
            return False
        if status > 0:
            self._failed = True
            self._end()
            return False
        log.warning("worker_ended", pid=pid, signal=-status)
        return True


def return_free_memory() -> None:
    """Return memory that is free to the system; glibc keeps it between what is in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
