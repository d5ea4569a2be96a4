"""Files with keys to trust, and other files that are read and replaced atomically."""

import errno
import json
import logging
import os
import stat
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from issuer.agentos.errors import NotFetched
from issuer.agentos.key_set_client import STALE_LIMIT, Held

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


T = TypeVar("T")

_REWRITE_AFTER = 60.0
_MAX_CLOCK_SKEW = 60.0
_MAX_BYTES = 32 * 1024 * 1024  # the largest feed, in base64
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, NotFetched)

log = logging.getLogger(__name__)


class DiskCache:
    """One document of one issuer in one file, if any. Who can write the file is trusted."""

    def __init__(
        self,
        path: str | Path | None,
        issuer: str,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        what: str = "The key set",
    ) -> None:
        self._what = what
        self.path = None if path is None else Path(path)
        self._issuer = issuer
        self._clock = clock
        self._wall_clock = wall_clock
        self._written = b"", 0.0

    def write(self, held: Held[T]) -> None:
        """Replace the file; an unchanged one at most once a minute. A full disk is only logged."""
        body, at = self._written
        is_fresh = body == held.body and held.seen_at - at < _REWRITE_AFTER
        if self.path is None or is_fresh:
            return
        self._written = held.body, held.seen_at
        seen_at = self._wall_clock() - (self._clock() - held.seen_at)
        entry = {"issuer": self._issuer, "seen_at": seen_at, "body": b64encode(held.body).decode()}
        try:
            replace_file(self.path, json.dumps(entry).encode())
        except OSError as error:
            log.warning("%s cannot be cached in %s: %s", self._what, self.path, error)

    def read(self, parse: Callable[[bytes], T]) -> Held[T] | None:
        """The document written last, with its age; None if unusable."""
        if self.path is None:
            return None
        try:
            entry = json.loads(read_trusted(self.path, _MAX_BYTES))
            if entry["issuer"] != self._issuer:
                raise ValueError(f"it is from another issuer, {entry['issuer']}")
            body = b64decode(entry["body"])
            age = self._wall_clock() - float(entry["seen_at"])
            # Also refuses NaN, which Python's JSON accepts.
            if not -_MAX_CLOCK_SKEW <= age <= STALE_LIMIT:
                raise ValueError(f"it is {age:.0f} s old")
            return Held(parse(body), body, None, self._clock() - max(0.0, age))
        except FileNotFoundError:
            pass
        except _UNREADABLE as error:
            log.warning("%s in %s is not used: %s", self._what, self.path, error)
        return None
