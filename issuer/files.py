"""Files that are nobody else's."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

_PARTIAL = ".partial"


def write_private(path: Path, text: str) -> None:
    """A file of mode 0600, complete or not there at all, and durable."""
    partial = path.with_suffix(_PARTIAL)
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        partial.rename(path)
    _make_durable(path.parent)


def remove_partial(folder: Path) -> None:
    """What a crash left half written is gone. What somebody is writing is locked, and stays."""
    for partial in folder.glob(f"*{_PARTIAL}"):
        with suppress(OSError), partial.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink()


def _make_durable(folder: Path) -> None:
    """A new name lasts only when its folder is written too."""
    with suppress(OSError):  # some file systems cannot, and the file is there all the same
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
