"""Sending messages in the background: one thread, a bounded queue, a few attempts."""

import heapq
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import ClassVar, Protocol

from issuer.audit import Actor, Trails
from issuer.clock import Clock
from issuer.database import Database
from issuer.errors import Unavailable
from issuer.mail.messages import MailMessage, NotSent
from issuer.telemetry.logs import get_logger
from issuer.telemetry.metrics import DROPPED, FAILED, SENT, Metrics

MAX_WAITING = 1_000
PAUSES = (10.0, 60.0, 300.0)  # seconds between attempts
_SECONDS_TO_STOP = 5.0
_ACTOR = Actor("issuer:background")

log = get_logger(__name__)


class MailServer(Protocol):
    """Accepts messages; `NotSent` if it does not."""

    def send(self, message: MailMessage) -> None: ...


@dataclass(frozen=True)
class _Waiting:
    kind: str
    task: Callable[[], None] = field(repr=False)
    message: MailMessage | None = None
    attempts: int = 0


@dataclass(eq=False, repr=False)
class Mailer:
    """A message that the server refuses for now is tried again; else it counts as failed.

    Never within a transaction of a caller: each message ends with an audit event of its own.
    """

    _server: MailServer
    _database: Database
    _trails: Trails
    _clock: Clock
    _metrics: Metrics
    max_waiting: int = MAX_WAITING
    name: ClassVar[str] = "mail"

    def __post_init__(self) -> None:
        # When it is due, by the monotonic clock; a number, in order of arrival.
        self._queue: list[tuple[float, int, _Waiting]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._is_sending = False
        self._ends_at: float | None = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    @property
    def waiting(self) -> int:
        return len(self._queue) + self._is_sending

    def post(self, messages: Iterable[MailMessage]) -> None:
        """Send these soon. Those that do not fit into the queue are dropped."""
        for message in messages:
            self._put(_Waiting(message.kind, partial(self._send, message), message))

    def later(self, kind: str, task: Callable[[], None]) -> None:
        """Call `task`, which posts messages of that kind; it is dropped if the queue is full."""
        self._put(_Waiting(kind, task))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Try what waits once more, for seconds; what is left then is dropped."""
        with self._changed:
            self._ends_at = self._clock.monotonic() + _SECONDS_TO_STOP
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(_SECONDS_TO_STOP)
        with self._changed:
            dropped, self._queue = self._queue, []
        for _, _, waiting in dropped:
            self._give_up(waiting, DROPPED, "the server stopped")

    def run_due(self) -> None:
        """Do what is due, in the caller's thread."""
        while (waiting := self._next_due()) is not None:
            try:
                waiting.task()
            except (NotSent, Unavailable) as error:
                self._note_refusal(waiting, error)
            except Exception:
                log.exception("unexpected_error")
                self._give_up(waiting, FAILED, "Unexpected error. The log has it.")

    def send_waiting(self) -> None:
        """Send what waits, each once, in the caller's thread: for a command. `NotSent`."""
        while self._queue:
            _, _, waiting = heapq.heappop(self._queue)
            try:
                waiting.task()
            except NotSent as error:
                self._audit_failure(waiting, FAILED, str(error))
                raise

    def _put(self, waiting: _Waiting, pause: float = 0.0) -> None:
        with self._changed:
            if has_place := len(self._queue) < self.max_waiting:
                due = self._clock.monotonic() + pause
                heapq.heappush(self._queue, (due, next(self._numbers), waiting))
                self._changed.notify()
        if not has_place:
            self._give_up(waiting, DROPPED, "too many messages wait")

    def _run(self) -> None:
        while self._is_next():
            self.run_due()

    def _is_next(self) -> bool:
        with self._changed:
            while self._ends_at is None and not self._is_due():
                self._changed.wait(self._seconds_until_due())
            return self._is_due()

    def _is_due(self) -> bool:
        now = self._clock.monotonic()
        if self._ends_at is not None:
            return bool(self._queue) and now < self._ends_at
        return bool(self._queue) and self._queue[0][0] <= now

    def _seconds_until_due(self) -> float | None:
        return max(0.0, self._queue[0][0] - self._clock.monotonic()) if self._queue else None

    def _next_due(self) -> _Waiting | None:
        with self._changed:
            self._is_sending = self._is_due()
            return heapq.heappop(self._queue)[-1] if self._is_sending else None

    def _send(self, message: MailMessage) -> None:
        self._server.send(message)
        self._audit("mail.sent", message)
        self._metrics.mailed(message.kind, SENT)
        log.info("mail_sent", kind=message.kind, user=message.user_id)

    def _note_refusal(self, waiting: _Waiting, error: NotSent | Unavailable) -> None:
        is_passing = isinstance(error, Unavailable) or error.is_passing
        if not is_passing or waiting.attempts >= len(PAUSES) or self._ends_at is not None:
            self._give_up(waiting, FAILED, str(error))
            return
        pause = PAUSES[waiting.attempts]
        log.warning("mail_refused", kind=waiting.kind, reason=str(error), retry_in=pause)
        self._put(replace(waiting, attempts=waiting.attempts + 1), pause)

    def _give_up(self, waiting: _Waiting, outcome: str, reason: str) -> None:
        message = waiting.message
        user_id = message.user_id if message else None
        log.error("mail_failed", kind=waiting.kind, user=user_id, reason=reason)
        self._audit_failure(waiting, outcome, reason)

    def _audit_failure(self, waiting: _Waiting, outcome: str, reason: str) -> None:
        self._metrics.mailed(waiting.kind, outcome)
        if waiting.message is not None:
            self._audit("mail.failed", waiting.message, reason=reason)

    def _audit(self, action: str, message: MailMessage, **details: object) -> None:
        """The message is sent or given up in any case: without a database, only the log says so."""
        try:
            with self._database.transaction() as session:
                trail = self._trails.begin(session, _ACTOR)
                trail.note(action, message.user_id, kind=message.kind, **details)
        except Unavailable:
            log.warning("mail_not_audited", kind=message.kind, action=action)
