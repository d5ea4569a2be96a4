"""Counts which scopes an AgentOS required of its callers, and reports that to the issuer.

Only subjects, clients, scopes and numbers leave the process: no path, no prompt, no body.
"""

import asyncio
import concurrent.futures
import logging
import os
import random
import re
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from issuer.agentos.errors import InvalidConfiguration, NotFetched
from issuer.agentos.fetching import new_client, open_answer, read_body
from issuer.agentos.key_set_client import background

REPORT_EVERY = 60.0
MOST_COUNTS = 100_000
MOST_IDS_OF_SUBJECT = 100
MOST_IN_REPORT = 1_000
_SECONDS_TO_STOP = 5.0
_MAX_ANSWER = 4096
# One to three parts. Narrower than RFC 6749 §3.3: callers invent ids, and pay with the accuracy.
_SCOPE = re.compile(r"[\w.~@+|*-]+(?::[\w.~@+|*-]+){0,2}", re.ASCII)
_MAX_SCOPE = 255
_WITH_ID = 2  # colons

Count = dict[str, str | int]
Report = dict[str, Any]

log = logging.getLogger(__name__)


class Counts:
    """How often each scope was sufficient or lacking, by subject and client. Thread-safe.

    At most `MOST_COUNTS` numbers; what exceeds them is counted without a name, as `others`. Of a
    subject that names more than `MOST_IDS_OF_SUBJECT` agents and the like, further ones count for
    the scope without an id, such as `agents:run`, or for `agents:*:read`: `agents:read` itself is
    what lists need.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._numbers: dict[tuple[str, str, str], list[int]] = {}
        self._ids: dict[str, int] = {}
        self._others = [0, 0]

    def add(self, subject: str, client_id: str, scope: str, *, allowed: bool) -> None:
        """A decision about a request of `subject` through `client_id`."""
        with self._lock:
            numbers = self._numbers.get((subject, client_id, scope))
            if numbers is None:
                numbers = self._new(subject, client_id, scope)
            numbers[0 if allowed else 1] += 1

    def _new(self, subject: str, client_id: str, scope: str) -> list[int]:
        scope = self._bound_scope(subject, scope)
        key = (subject, client_id, scope)
        if key in self._numbers:
            return self._numbers[key]
        if len(self._numbers) >= MOST_COUNTS or not scope:
            return self._others
        if scope.count(":") == _WITH_ID and ":*:" not in scope:
            self._ids[subject] = self._ids.get(subject, 0) + 1
        self._numbers[key] = numbers = [0, 0]
        return numbers

    def _bound_scope(self, subject: str, scope: str) -> str:
        """Without the id of an agent, if callers name too many or invent one; else unchanged."""
        parts = scope.split(":")
        has_place = self._ids.get(subject, 0) < MOST_IDS_OF_SUBJECT
        if _is_scope(scope) and (len(parts) <= _WITH_ID or has_place):
            return scope
        general = f"{parts[0]}:*:read" if parts[-1] == "read" else f"{parts[0]}:{parts[-1]}"
        return general if _is_scope(general) else ""

    def take(self) -> tuple[list[Count], Count]:
        """All of them and the `others`; from now on they are counted from zero."""
        with self._lock:
            numbers, others = self._numbers, self._others
            self._begin()
        return [
            {"sub": subject, "client_id": client_id, "scope": scope, **_count(each)}
            for (subject, client_id, scope), each in numbers.items()
        ], _count(others)

    def __len__(self) -> int:
        return len(self._numbers)


def _is_scope(text: str) -> bool:
    return len(text) <= _MAX_SCOPE and _SCOPE.fullmatch(text) is not None


def _count(numbers: list[int]) -> Count:
    return {"allowed": numbers[0], "refused": numbers[1]}


class Decisions:
    """The decisions about one request: each scope counts once, on a socket each time."""

    __slots__ = ("_counted", "_counts", "_issuer", "_undecided")

    def __init__(self, counts: Counts, issuer: str, *, is_socket: bool) -> None:
        self._counts = counts
        self._issuer = issuer
        self._counted: set[str] | None = None if is_socket else set()
        self._undecided: tuple[str, Mapping[str, Any]] | None = None

    def add(self, claims: Mapping[str, Any], scope: str, *, allowed: bool) -> None:
        """agno decided by `scope` about a request with a token of these claims."""
        if self._counted is not None:
            if scope in self._counted:
                return
            self._counted.add(scope)
        if claims.get("iss") != self._issuer:
            return
        subject, client_id = claims["sub"], claims.get("client_id")
        client_id = client_id if isinstance(client_id, str) else subject
        self._counts.add(subject, client_id, scope, allowed=allowed)

    def postpone(self, claims: Mapping[str, Any], scope: str) -> None:
        """The caller lacks `scope` for a list, which agno may filter instead of refusing it."""
        if self._counted is None:
            self.add(claims, scope, allowed=False)
        else:
            self._undecided = scope, claims

    def is_postponed(self, scope: str) -> bool:
        return self._undecided is not None and self._undecided[0] == scope

    def decide(self, *, allowed: bool) -> None:
        """What was postponed is decided; does nothing if nothing was."""
        if self._undecided is not None:
            (scope, claims), self._undecided = self._undecided, None
            self.add(claims, scope, allowed=allowed)


@dataclass(eq=False, repr=False)
class UsageReporter:
    """Posts the counts of this process to the issuer once a minute, and when it stops.

    A report that was not acknowledged is sent again, byte for byte, and the issuer counts it once.
    What a process counted is lost if it is killed. While the issuer is away, counting goes on
    within the same bounds.
    """

    issuer: str
    audience: str
    token_client: Any
    _: KW_ONLY
    clock: Callable[[], float] = time.time
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        issuer, client = self.issuer, self.token_client
        if getattr(client, "audience", None) != issuer or not hasattr(client, "auth"):
            raise InvalidConfiguration(
                "report_usage must be a TokenClient for the issuer itself:"
                f" TokenClient({issuer!r}, CLIENT_ID, …, audience={issuer!r},"
                " scope='issuer:usage:report')."
            )
        self._url = f"{issuer.rstrip('/')}/admin/v1/usage"
        self._auth = client.auth(issuer)
        self._reported_at: float | None = None
        self._problem: str | None = None
        self.begin()
        _reporters.add(self)

    def begin(self) -> None:
        """Count from zero, and report nothing until started."""
        self.counts = Counts()
        self._waiting: list[Report] = []
        self._since = self.clock()
        self._process: int | None = None
        self._reporting: concurrent.futures.Future[None] | None = None
        self._posting: asyncio.Lock | None = None

    def decisions(self, *, is_socket: bool) -> Decisions:
        """For one request."""
        return Decisions(self.counts, self.issuer, is_socket=is_socket)

    def start(self) -> None:
        """Report from now on in this process. Does not block."""
        with background.starting:
            if self._process != os.getpid():
                self._reporting = background.run(self._report_regularly())
                self._process = os.getpid()

    def stop(self) -> None:
        """Report what was counted, for at most five seconds, and no more until started again."""
        with suppress(concurrent.futures.TimeoutError):
            self._last_report().result(_SECONDS_TO_STOP)

    async def async_stop(self) -> None:
        """Like `stop`, without blocking the event loop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SECONDS_TO_STOP):
                await asyncio.wrap_future(self._last_report())

    def _last_report(self) -> concurrent.futures.Future[None]:
        with background.starting:
            if self._reporting is not None:
                self._reporting.cancel()
            self._reporting, self._process = None, None
            return background.run(self.report())

    def status(self) -> dict[str, Any]:
        """For JSON; times are UTC."""
        at = self._reported_at
        return {
            "reported_at": None if at is None else _instant(at),
            "counts": len(self.counts),
            "waiting": len(self._waiting),
            "problem": self._problem,
        }

    async def _report_regularly(self) -> None:
        # Processes that start together do not report together.
        pause = REPORT_EVERY * self.jitter()
        while True:
            await asyncio.sleep(pause)
            await self.report()
            pause = REPORT_EVERY

    async def report(self) -> None:
        """Post what waits, then what was counted since. In the loop of `background` only."""
        if self._posting is None:
            self._posting = asyncio.Lock()
        async with self._posting:
            try:
                async with new_client() as client:
                    await self._post_waiting(client)
                    self._waiting = list(self._reports())
                    await self._post_waiting(client)
            except NotFetched as error:
                self._note_failure(f"{self._url} {error}")
            except Exception as error:  # whatever it is, reporting continues
                log.exception("The report of usage failed")
                self._note_failure(f"{self._url}: {type(error).__name__}")
            else:
                if self._problem:
                    log.info("Usage is reported again")
                self._problem, self._reported_at = None, self.clock()

    def _reports(self) -> Iterator[Report]:
        """What was counted, in reports of their own ids. One without counts says: nothing was."""
        start, self._since = self._since, self.clock()
        window = {"start": _instant(min(start, self._since)), "end": _instant(self._since)}
        counts, others = self.counts.take()
        for first in range(0, max(1, len(counts)), MOST_IN_REPORT):
            report: Report = {"window": window, "audience": self.audience, "others": others}
            yield _of(report, counts[first : first + MOST_IN_REPORT])
            others = _count([0, 0])

    async def _post_waiting(self, client: httpx.AsyncClient) -> None:
        """`NotFetched` if one must be sent again."""
        while self._waiting:
            report = self._waiting[0]
            posting = open_answer(client, "POST", self._url, json=report, auth=self._auth)
            async with posting as answer:
                if answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE and report["counts"]:
                    self._waiting[:1] = _halves(report)
                    continue
                if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
                    body = await read_body(answer, _MAX_ANSWER)
                    log.error("%s refuses a report, which is dropped: %s", self._url, body)
                elif not answer.is_success:
                    raise NotFetched(f"answered {answer.status_code}")
            del self._waiting[0]

    def _note_failure(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("%s; usage is reported later", problem)
        self._problem = problem


def _of(report: Report, counts: list[Count]) -> Report:
    window = {**report["window"], "id": secrets.token_urlsafe(16)}
    return {**report, "window": window, "counts": counts}


def _halves(report: Report) -> list[Report]:
    """Two reports for one that is too long for the issuer, which has counted nothing of it."""
    counts, middle = report["counts"], len(report["counts"]) // 2
    without_others = {**report, "others": _count([0, 0])}
    return [_of(report, counts[:middle]), _of(without_others, counts[middle:])] if middle else []


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


_reporters: weakref.WeakSet[UsageReporter] = weakref.WeakSet()


def _begin_in_child() -> None:
    """After a fork, what the parent counted is reported by the parent."""
    for reporter in list(_reporters):
        reporter.begin()


os.register_at_fork(after_in_child=_begin_in_child)
