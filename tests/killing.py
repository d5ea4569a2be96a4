"""A process that is killed with SIGKILL at a chosen step of its work."""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection as SqlConnection
from sqlalchemy import Engine, event

_COMPUTING = ("/cryptography/", "/joserfc/", "/jwt/", "/ssl.py")


def _wait_until_no_thread_computes() -> None:
    """A fork while a server of this process signs leaves locks of OpenSSL locked in the child.

    Right before the fork, with the lock of the interpreter: no thread goes on between.
    """
    own = threading.get_ident()
    while any(_computes(top) for thread, top in sys._current_frames().items() if thread != own):
        time.sleep(0.001)


def _computes(top: FrameType) -> bool:
    files = (frame.f_code.co_filename for frame, _ in traceback.walk_stack(top))
    return any(part in file for file in files for part in _COMPUTING)


os.register_at_fork(before=_wait_until_no_thread_computes)

# In a forked process, so that the patches end with it.
_forked = multiprocessing.get_context("fork")
_WRITING = os.O_WRONLY | os.O_RDWR


def killed(work: Callable[[], object], before: int, folder: Path | None = None) -> str | None:
    """The step before which it was killed; None if the work has fewer steps, and was completed.

    Steps are durable, and counted from 0: a `commit` of a write to the database, a `write`,
    `rename` or `remove` of a file in the folder, and the start of a `command`.
    """
    ours, theirs = _forked.Pipe(duplex=False)
    process = _forked.Process(target=_run, args=(work, before, folder, theirs))
    process.start()
    theirs.close()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}, f"It ended with {process.exitcode}."
    return ours.recv()


def _run(work: Callable[[], object], before: int, folder: Path | None, result: Connection) -> None:
    steps = count()

    def about_to(step: str) -> None:
        if next(steps) == before:
            result.send(step)
            os.kill(os.getpid(), signal.SIGKILL)

    _watch_commits(about_to)
    if folder is not None:
        _watch_files(folder, about_to)
    work()
    result.send(None)


def _watch_commits(about_to: Callable[[str], None]) -> None:
    wrote: WeakSet[SqlConnection] = WeakSet()

    def note(connection: SqlConnection, _cursor: object, text: str, *_: object) -> None:
        if text.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            wrote.add(connection)

    def commit(connection: SqlConnection) -> None:
        if connection in wrote:
            about_to("commit")
            wrote.discard(connection)

    event.listen(Engine, "before_cursor_execute", note)
    event.listen(Engine, "commit", commit)
    event.listen(Engine, "rollback", wrote.discard)


def _watch_files(folder: Path, about_to: Callable[[str], None]) -> None:
    def note(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "subprocess.Popen":
            about_to("command")
        if name not in {"open", "os.rename", "os.remove"} or isinstance(arguments[0], int):
            return
        path = Path(os.fsdecode(arguments[0]))
        if path.parent != folder:
            return
        if name == "open" and arguments[2] & _WRITING:
            about_to("write")
        elif name == "os.rename":
            about_to("rename")
        elif name == "os.remove" and path.exists():
            about_to("remove")

    sys.addaudithook(note)
