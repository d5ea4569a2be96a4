"""Why a database failed, without secrets, and few log lines while it is unavailable."""

import os
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from issuer.telemetry.logs import get_logger

# What the driver puts before the reason: the address, which is in the URL, and the level.
_BEFORE_THE_REASON = re.compile(
    r"connection (?:failed|is bad): |(?:FATAL|ERROR|DETAIL|HINT): +"
    r'|connection to server at "[^"]*"(?: \([^)]*\))?, port \d+ failed: '
)
# For a host name with several addresses, one line for each.
_ATTEMPT = re.compile(r"^- host: .*?, hostaddr: .*?: (connection .*?)(?=^- host: |\Z)", re.M | re.S)
_ERROR_NUMBER = re.compile(r"\[Errno -?\d+\] ")
_SQLITE_FILE = ("unable to open database file", "readonly database")
# What to do, by what the cause contains.
_CURES = {
    ("malformed", "not a database", "invalid page", "could not read block", "missing chunk"): (
        "It is damaged: stop every server, and restore a backup into a new one with"
        " `issuer restore`"
    ),
    ("password", "authentication", "role "): "Correct the user and password in ISSUER_DATABASE_URL",
    ("resolve host",): "Correct the host in ISSUER_DATABASE_URL",
    ("refused", "timeout", "timed out", "No such file"): (
        "Start the database, or correct host and port in ISSUER_DATABASE_URL"
    ),
    ("does not exist",): "Create the database, or correct its name in ISSUER_DATABASE_URL",
    ("database file", "readonly"): (
        "Correct ISSUER_DATA_DIR or ISSUER_DATABASE_URL, or the rights of the file"
    ),
    ("SSL", "connection option"): "Correct the options in ISSUER_DATABASE_URL",
}
_DAMAGED_STATES = {"XX001", "XX002"}  # data_corrupted and index_corrupted of PostgreSQL
LOG_EVERY = 60.0  # seconds
_CAUSES = 5  # that are logged in this time

log = get_logger(__name__)


def cause_of(error: BaseException) -> str:
    """One line, without a full stop. Only the reason: a detail could hold values of a row."""
    driver = getattr(error, "orig", None) or error
    message = getattr(getattr(driver, "diag", None), "message_primary", None) or str(driver)
    return "; ".join(dict.fromkeys(map(_reason, _ATTEMPT.findall(message) or [message])))


def is_damaged(driver: object) -> bool:
    """Whether an error of the driver says that the database is damaged."""
    code = getattr(driver, "sqlite_errorcode", 0) & 0xFF  # the primary one
    is_of_sqlite = code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    return is_of_sqlite or getattr(driver, "sqlstate", None) in _DAMAGED_STATES


def cause_of_file(cause: str, path: Path) -> str:
    """`cause` of a SQLite database at `path`, with the reason that SQLite leaves out."""
    if not cause.endswith(_SQLITE_FILE):
        return cause
    folder = path.parent
    if not folder.is_dir():
        return f"{cause}: {folder} is not a directory"
    for each in (folder, path):
        if each.exists() and not os.access(each, os.R_OK | os.W_OK):
            return f"{cause}: {each} is not writable"
    return cause


def _reason(message: str) -> str:
    lines = _BEFORE_THE_REASON.sub("", message).splitlines()
    # libpq adds a question whether a server is running; the reason is the line before.
    kept = [line.strip().rstrip(".") for line in lines if not line.startswith("\tIs the server")]
    return _ERROR_NUMBER.sub("", ". ".join(filter(None, kept)))


def cure_of(cause: str) -> str:
    """What to do about a database that cannot be opened, as a sentence without a full stop."""
    for words, cure in _CURES.items():
        if any(word in cause for word in words):
            return cure
    return "Check ISSUER_DATABASE_URL and the rights of its user"


class Outage:
    """Whether the last use of a database failed, and why. Only a write ends a failure to write."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.cause: str | None = None
        # A command prints the error in one sentence, and logs nothing.
        self.is_logged = False
        self._monotonic = monotonic
        self._is_of_writing = False
        self._logged: set[str] = set()
        self._logged_at = float("-inf")
        self._failures = 0

    def failed(self, cause: str, *, writing: bool) -> None:
        self.cause = cause
        self._is_of_writing = self._is_of_writing or writing
        self._failures += 1
        now = self._monotonic()
        if now - self._logged_at >= LOG_EVERY:
            self._logged, self._logged_at = set(), now
        if not self.is_logged or cause in self._logged or len(self._logged) == _CAUSES:
            return
        self._logged.add(cause)
        log.error("database_unavailable", cause=cause, failures=self._failures)

    def ended(self, *, writing: bool) -> None:
        """A use of the database succeeded."""
        if self.cause is None or (self._is_of_writing and not writing):
            return
        self.cause, self._is_of_writing = None, False
        failures, self._failures = self._failures, 0
        if self.is_logged:
            log.info("database_available", failures=failures)
