"""A command of the operator that runs after a file has changed."""

import hashlib
import json
import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import typer

from issuer.agentos.files import read_trusted, replace_file
from issuer.errors import IssuerError

_TIMEOUT_SECONDS = 60
_MAX_PAUSE = 300.0

log = logging.getLogger(__name__)


def words_of(text: str) -> list[str]:
    """A command line, split as a shell would; no shell runs it. Wrong usage if it is invalid."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise typer.BadParameter(f"cannot be split into words: {error}") from None
    if not words:
        raise typer.BadParameter("must name a command")
    return words


class ChangeCommand:
    """A command that has to succeed once for each content of `file`.

    The digest of the content that it last succeeded for is stored beside the file. If the command
    fails, or the process ends before, the next process runs it.
    """

    def __init__(self, words: Sequence[str], file: Path) -> None:
        self._words = words
        self._file = file
        self._digest_file = file.with_name(f".{file.name}.exec")
        self._last_digest: bytes | None = None

    def forget(self) -> None:
        """Make it due, whatever the file will hold. Call this before the file is changed."""
        self._last_digest = None
        self._digest_file.unlink(missing_ok=True)

    def is_due(self, content: bytes) -> bool:
        """Whether it has not succeeded yet for a file that holds `content`."""
        digest = self._digest(content)
        if self._last_digest is None:
            with suppress(OSError):
                self._last_digest = read_trusted(self._digest_file, len(digest))
        return self._last_digest != digest

    def run(self, content: bytes) -> None:
        """Run it, with the file in `JWKS_FILE`. `IssuerError` unless it succeeds within 60 s."""
        name = f"{self._file} holds the key set, but the command {self._words[0]}"
        try:
            status = subprocess.run(  # noqa: S603 - the operator's command
                self._words,
                env={**os.environ, "JWKS_FILE": str(self._file)},
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,  # standard output is for our results
                timeout=_TIMEOUT_SECONDS,
                check=False,
            ).returncode
        except OSError as error:
            raise IssuerError(f"{name} cannot be run: {error.strerror}.") from None
        except subprocess.TimeoutExpired:
            raise IssuerError(f"{name} took over {_TIMEOUT_SECONDS} s.") from None
        if status != 0:
            raise IssuerError(f"{name} ended with status {status}.")
        self._last_digest = self._digest(content)
        try:
            replace_file(self._digest_file, self._last_digest)
        except OSError as error:
            log.warning(
                "Cannot write %s: %s. The command will run again.", self._digest_file, error
            )

    def _digest(self, content: bytes) -> bytes:
        """Covers the command too: another command's success does not count for this one."""
        words = json.dumps(list(self._words)).encode()
        return hashlib.sha256(words + b"\n" + content).hexdigest().encode()


def pauses_between_tries() -> Iterator[float]:
    """In seconds, for a command that fails: 1, 2, 4 and so on, up to five minutes."""
    pause = 1.0
    while True:
        yield min(pause, _MAX_PAUSE)
        pause = min(2 * pause, _MAX_PAUSE)
