"""Files with keys to trust, and other files that are read and replaced atomically."""

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def read_regular(path: Path, most: int, *flags: int) -> tuple[bytes, os.stat_result]:
    """The content of a regular file and its `stat`, both of the file that was opened.

    `flags` are further flags of `open`. `OSError` for other kinds of file, and for more than
    `most` bytes. A pipe does not block the caller, and a device cannot feed it endlessly.
    """
    descriptor = os.open(path, sum(flags, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(most + 1)
    finally:
        os.close(descriptor)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most} bytes")
    return content, status


def read_trusted(path: Path, most: int) -> bytes:
    """The content of a file that only this user and root can write. Refuses links."""
    content, status = read_regular(path, most, os.O_NOFOLLOW)
    if status.st_uid not in {0, os.geteuid()}:
        raise OSError(errno.EPERM, f"it belongs to another user, with the id {status.st_uid}")
    if status.st_mode & _OTHERS_MAY_WRITE:
        raise OSError(errno.EPERM, "others can write it: run chmod go-w on it")
    return content


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace the file atomically: a reader sees the old or the new content, never a part."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
