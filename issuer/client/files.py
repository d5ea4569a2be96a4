"""Files with a credential, which another program may replace at any time."""

import errno
import os
import stat
from pathlib import Path

LARGEST = 64 * 1024


def read_text(path: Path) -> str:
    """The content of a regular file of at most 64 KiB, without spaces and newlines around it.

    `OSError` or `ValueError` otherwise, also if it is empty. Reading a pipe or a device may never
    end. A link is followed: Kubernetes mounts secrets as links.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST} bytes")
    return content.decode("utf-8").strip()
