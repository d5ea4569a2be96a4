"""A key set, or a revocation feed, on disk: for a start while the issuer is unavailable."""

import json
import logging
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from issuer.agentos.errors import NotFetched
from issuer.agentos.files import read_trusted, replace_file
from issuer.agentos.key_set_client import STALE_LIMIT, Held

T = TypeVar("T")

_REWRITE_AFTER = 60.0
_MAX_CLOCK_SKEW = 60.0
_MAX_BYTES = 32 * 1024 * 1024  # the largest feed, in base64
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, NotFetched)

log = logging.getLogger(__name__)


class DiskCache:
    """One document of one issuer in one file. Write access to the file decides who is trusted."""

    def __init__(
        self,
        path: Path,
        issuer: str,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        what: str = "The key set",
    ) -> None:
        self._what = what
        self._path = path
        self._issuer = issuer
        self._clock = clock
        self._wall_clock = wall_clock
        self._written = b"", 0.0

    def write(self, held: Held[T]) -> None:
        """Replace the file atomically; a full disk is only logged.

        An unchanged document is written at most once a minute, to update its time.
        """
        body, at = self._written
        if body == held.body and held.seen_at - at < _REWRITE_AFTER:
            return
        self._written = held.body, held.seen_at
        seen_at = self._wall_clock() - (self._clock() - held.seen_at)
        entry = {"issuer": self._issuer, "seen_at": seen_at, "body": b64encode(held.body).decode()}
        try:
            replace_file(self._path, json.dumps(entry).encode())
        except OSError as error:
            log.warning("%s cannot be cached in %s: %s", self._what, self._path, error)

    def read(self, parse: Callable[[bytes], T]) -> Held[T] | None:
        """The document written last, with its age; None if unusable."""
        try:
            entry = json.loads(read_trusted(self._path, _MAX_BYTES))
            return self._held(entry, parse)
        except FileNotFoundError:
            return None
        except _UNREADABLE as error:
            log.warning("%s in %s is not used: %s", self._what, self._path, error)
            return None

    def _held(self, entry: dict[str, Any], parse: Callable[[bytes], T]) -> Held[T]:
        if entry["issuer"] != self._issuer:
            raise ValueError(f"it is from another issuer, {entry['issuer']}")
        body = b64decode(entry["body"])
        age = self._wall_clock() - float(entry["seen_at"])
        if (
            not -_MAX_CLOCK_SKEW <= age <= STALE_LIMIT
        ):  # false for NaN, too, which Python's JSON accepts
            raise ValueError(f"it is {age:.0f} s old")
        return Held(parse(body), body, None, self._clock() - max(0.0, age))
