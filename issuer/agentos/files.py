"""Files with keys to trust, read and replaced atomically, also for programs that read key sets."""

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
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from issuer.agentos.errors import NotFetched
from issuer.agentos.fetching import Fetched, Source, require_safe
from issuer.agentos.key_set import SUPPORTED, Keys, entries_of, read_key_set
from issuer.agentos.key_set_client import STALE_LIMIT, Held

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_REWRITE_AFTER = 60.0
_MAX_CLOCK_SKEW = 60.0
_MAX_BYTES = 32 * 1024 * 1024  # the largest feed, in base64
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, NotFetched)
_WORLD_READABLE = 0o644  # the keys are public, and another user's process reads them


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


log = logging.getLogger(__name__)


@dataclass(eq=False)
class DiskCache:
    """One document of one issuer in one file, if any. Who can write the file is trusted."""

    file: str | Path | None
    issuer: str
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    what: str = "The key set"

    def __post_init__(self) -> None:
        self.path = None if self.file is None else Path(self.file)
        self._written = b"", 0.0

    def write(self, held: Held[T]) -> None:
        """Replace the file; an unchanged one at most once a minute. A full disk is only logged."""
        body, at = self._written
        is_fresh = body == held.body and held.seen_at - at < _REWRITE_AFTER
        if self.path is None or is_fresh:
            return
        self._written = held.body, held.seen_at
        seen_at = self.wall_clock() - (self.clock() - held.seen_at)
        entry = {"issuer": self.issuer, "seen_at": seen_at, "body": b64encode(held.body).decode()}
        try:
            replace_file(self.path, json.dumps(entry).encode())
        except OSError as error:
            log.warning("%s cannot be cached in %s: %s", self.what, self.path, error)

    def read(self, parse: Callable[[bytes], T]) -> Held[T] | None:
        """The document written last, with its age; None if unusable."""
        if self.path is None:
            return None
        try:
            entry = json.loads(read_trusted(self.path, _MAX_BYTES))
            if entry["issuer"] != self.issuer:
                raise ValueError(f"it is from another issuer, {entry['issuer']}")
            body = b64decode(entry["body"])
            age = self.wall_clock() - float(entry["seen_at"])
            # Also refuses NaN, which Python's JSON accepts.
            if not -_MAX_CLOCK_SKEW <= age <= STALE_LIMIT:
                raise ValueError(f"it is {age:.0f} s old")
            return Held(parse(body), body, None, self.clock() - max(0.0, age))
        except FileNotFoundError:
            pass
        except _UNREADABLE as error:
            log.warning("%s in %s is not used: %s", self.what, self.path, error)
        return None


class KeySetSource:
    """Fetches the key set of `url`: a JWKS URL, or an issuer whose metadata names one.

    It is a JWKS URL if its path ends in .json or it answers with a JWK Set, else an issuer.
    `InvalidConfiguration` for an unsafe URL.
    """

    def __init__(self, url: str, *, allow_http: bool = False) -> None:
        require_safe(url, allow_http=allow_http)
        self._as_jwks_url = Source(url, "jwks_uri", url=url, allow_http=allow_http)
        self._as_issuer = Source(url, "jwks_uri", allow_http=allow_http)
        self._known = self._as_jwks_url if urlsplit(url).path.endswith(".json") else None

    async def __call__(self, etag: str | None) -> Fetched:
        """The document, else `NotFetched` with the cause."""
        if self._known is None:
            return await self._detect()
        return await self._known(etag)

    async def _detect(self) -> Fetched:
        """Find out which it is; remembered only after a success, as the server may be down."""
        try:
            fetched = await self._as_jwks_url(None)
            entries_of(fetched.body or b"")
            self._known = self._as_jwks_url
        except NotFetched as no_key_set:
            try:
                fetched = await self._as_issuer(None)
            except NotFetched as no_issuer:
                raise NotFetched(f"{no_key_set}; taken as an issuer, it {no_issuer}") from None
            self._known = self._as_issuer
        return fetched


class KeyFile:
    """A file that holds a key set, byte for byte as published.

    A link is followed: its target is read and replaced, and the link stays. `OSError` for
    anything but a regular file, and for a link of another user.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """The file itself, with all links resolved."""
        if self._path.is_symlink() and self._path.lstat().st_uid not in {0, os.geteuid()}:
            raise OSError(errno.EPERM, "it is a link of another user")
        return Path(os.path.realpath(self._path))

    def holds(self, body: bytes) -> bool:
        """Whether the file has exactly this content."""
        try:
            return read_regular(self.path, len(body))[0] == body
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.EFBIG}:
                return False
            raise

    def replace(self, body: bytes) -> None:
        """Replace it atomically. Mode 0644, or that of the existing file."""
        path = self.path
        try:
            mode = path.stat().st_mode & 0o777
        except FileNotFoundError:
            mode = _WORLD_READABLE
        replace_file(path, body, mode)


def usable_keys(body: bytes) -> Keys:
    """The keys that verify any supported algorithm; `NotFetched` if there is none."""
    return read_key_set(body, sorted(SUPPORTED))
