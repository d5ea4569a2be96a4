"""Files that say whom to trust, and others that are read and replaced whole."""

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def read_regular(path: Path, most: int, *flags: int) -> tuple[bytes, os.stat_result]:
    """What is in a regular file, and what it is, both of the file that was opened.

    `flags` are more of those of `open`. `OSError` for anything else, and for a file of more than
    `most` bytes. A pipe does not keep the caller waiting, nor does a device feed it for ever.
    """
    descriptor = os.open(path, sum(flags, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(most + 1)
    finally:
        os.close(descriptor)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most} bytes")
    return content, found


def read_trusted(path: Path, most: int) -> bytes:
    """The same of a file that only we and root can write. A link is refused, too."""
    content, found = read_regular(path, most, os.O_NOFOLLOW)
    if found.st_uid not in {0, os.geteuid()}:
        raise OSError(errno.EPERM, f"it belongs to another user, with the id {found.st_uid}")
    if found.st_mode & _OTHERS_MAY_WRITE:
        raise OSError(errno.EPERM, "others can write it: chmod go-w it")
    return content


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write `content` so that a reader sees the file as it was or as it is, never a part."""
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
