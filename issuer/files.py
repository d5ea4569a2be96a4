"""Reading and writing files that other users must not change or read."""

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, TextIO

from issuer.errors import ConfigurationError, IssuerError

LARGEST = 64 * 1024
_PARTIAL, _RANDOM = ".partial", "[0-9a-f]" * 16
_LOOKS_EVERY_S = 0.1
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def read_trusted(path: Path, *, private: bool = False) -> bytes:
    """The content of a file that is secret, or that decides what is trusted.

    `ConfigurationError` unless this user or root owns it and no other user can write it, or, if
    it is `private`, read it. A link is followed: Kubernetes mounts secrets as links. A container
    gets secrets as files of root on a read-only mount, which every user in it, or its group
    (`fsGroup`), can read: those are private too.
    """
    content, found = read_regular(path)
    if (
        private
        and found.st_mode & _OTHERS
        and not (found.st_uid == 0 and os.statvfs(path).f_flag & os.ST_RDONLY)
    ):
        raise ConfigurationError(f"{path} can be read by others: chmod 600 it.")
    if found.st_mode & _OTHERS_MAY_WRITE:
        raise ConfigurationError(f"{path} can be written by others: chmod go-w it.")
    if found.st_uid not in {0, os.geteuid()}:
        raise ConfigurationError(
            f"{path} belongs to the user with the id {found.st_uid}, and this process runs as"
            f" {os.geteuid()}: run it as the owner of the file, or chown the file."
        )
    return content


def reason_of(error: OSError | ValueError) -> str:
    """Why a file could not be used, in words: without the number that Python puts before."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def read_regular(path: Path) -> tuple[bytes, os.stat_result]:
    """Content and `stat` of a regular file of at most 64 KiB, both of the file that was opened.

    `ConfigurationError` if it is larger or not regular: reading a pipe or a device may never end.
    `OSError` if it cannot be opened.
    """
    with open_regular(path) as file:
        content, found = file.read(LARGEST + 1), os.fstat(file.fileno())
    if len(content) > LARGEST:
        raise ConfigurationError(f"{path} is larger than {LARGEST} bytes.")
    return content, found


def open_regular(path: Path) -> BinaryIO:
    """A regular file, opened without waiting; `ConfigurationError` for others, or `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ConfigurationError(f"{path} is not a regular file.")
    return os.fdopen(descriptor, "rb")


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600, atomically and durably."""
    partial = path.with_suffix(_PARTIAL)
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        partial.rename(path)
    _make_durable(path.parent)


@contextmanager
def new_private_file(path: Path, *, force: bool) -> Iterator[tuple[BinaryIO, Path]]:
    """A file of mode 0600 that gets its name durably at the end, and what it is called until then.

    An error deletes it, and the next one in the same folder deletes what a kill has left.
    `IssuerError` if `path` exists, unless `force`: that replaces regular files and links.
    """
    _require_free(path, force=force)
    remove_partial(path.parent, f".{escape(path.name)}.*")
    remove_partial(path.parent, f".*.{_RANDOM}", least=1)
    unnamed = path.with_name(f".{path.name}.{token_hex(8)}{_PARTIAL}")
    try:
        with os.fdopen(os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file, unnamed
            synchronise(file)
            _require_free(path, force=force)
            unnamed.rename(path)
    except BaseException:
        unnamed.unlink(missing_ok=True)
        raise
    _make_durable(path.parent)


def synchronise(file: BinaryIO) -> None:
    """Write it to the disk, and forget it in memory where that is possible."""
    file.flush()
    os.fsync(file.fileno())
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def remove_partial(folder: Path, names: str = "*", *, least: int = 0) -> None:
    """Delete partial files that a crash left, of `least` bytes.

    One that is being written is locked, and stays; an empty one may not be locked yet.
    """
    for partial in folder.glob(f"{names}{_PARTIAL}"):
        with suppress(OSError), partial.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_size >= least:
                partial.unlink()


def _require_free(path: Path, *, force: bool) -> None:
    if not path.absolute().parent.is_dir():
        raise IssuerError(f"There is no directory {path.absolute().parent}.")
    if not os.path.lexists(path):
        return
    kind = path.lstat().st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISLNK(kind)):
        raise IssuerError(f"{path} exists and is not a regular file: name another file.")
    if not force:
        raise IssuerError(f"{path} exists: name another file, or use --force.")


def _make_durable(folder: Path) -> None:
    """A new name is durable only when its folder is written too."""
    with suppress(OSError):  # not supported by some file systems
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_locked(file: TextIO | int, kind: int) -> bool:
    """Whether `fcntl.flock` locks it now; False if another process holds it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def wait_until(is_free: Callable[[], bool], patience: float, taken: IssuerError) -> None:
    """Raise `taken` after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not is_free():
        if time.monotonic() >= deadline:
            raise taken
        time.sleep(_LOOKS_EVERY_S)
