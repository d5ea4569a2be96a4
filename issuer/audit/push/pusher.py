"""Sending what is new, in batches, with pauses after failures; and building the destination."""

import hashlib
import json
import ssl
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

from issuer.audit.audit_log_store import AuditLog
from issuer.audit.chain_store import Outcome
from issuer.audit.following import AuditReader, Bookmark, EventPage
from issuer.audit.push import progress_store
from issuer.audit.push.destination import Destination, Message, NotDelivered, Render
from issuer.audit.push.progress_store import Progress
from issuer.audit.push.syslog_destination import SyslogDestination
from issuer.certificates import accepted_certificates
from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.database.only_one import if_free
from issuer.settings import Settings
from issuer.telemetry.logs import get_logger

MAX_EVENTS: Final = 500
MAX_BYTES: Final = 512 * 1024
_MORE_AFTER_A_SUCCESS = 10  # after a receiver has refused larger batches
_MOST_DOUBLINGS = 6
_LONGEST_PAUSE = 60.0
_LONGEST_ASKED_FOR = 300.0
_SECONDS_OF_A_ROUND = 4.0
_PORTS = {"https": 443, "http": 80, "syslog+tls": 6514, "syslog": 601}

log = get_logger(__name__)


class _Overtaken(Exception):
    """Another process has pushed meanwhile."""


@dataclass(frozen=True, slots=True)
class PushState:
    """What this process knows: at most `behind` events wait (ids are not without gaps).

    `oldest` is the id of the oldest event that is kept.
    """

    progress: Progress = field(default_factory=Progress)
    behind: int = 0
    oldest: int = 0


@dataclass(eq=False)
class Pusher:
    """Sends audit events to a destination, each at least once, one process at a time.

    Before a batch is sent, the database says so: events that may have arrived are marked when they
    are sent again. A destination is first sent all events that are kept.
    """

    database: Database
    clock: Clock
    random: Random
    destination: Destination
    render: Render

    def __post_init__(self) -> None:
        self._reader = AuditReader(self.database)
        self._most = MAX_EVENTS
        self.state = PushState()

    def push(self) -> None:
        """Send what is new, for seconds at most; nothing while another process does."""
        progress = self.poll() or Progress()
        now = self.clock()
        pause = progress.retry_at - now if progress.retry_at else timedelta(0)
        # A longer pause was noted before the clock was set back.
        if timedelta(0) < pause <= timedelta(seconds=_LONGEST_ASKED_FOR):
            return
        with if_free(self.database, "audit-push") as is_free:
            if is_free:
                try:
                    self._push_all()
                except _Overtaken:
                    log.info("audit_push_overtaken", destination=self.destination.name)
                except BaseException:
                    self._reader = AuditReader(self.database)  # it may be another server now
                    raise

    def poll(self) -> Progress | None:
        """The progress, as any process has made it; None before the first attempt."""
        with self.database.reading() as session:
            progress = progress_store.load(session, self.destination.key)
            self._observe(session, progress or Progress())
        return progress

    def _push_all(self) -> None:
        progress = self.poll()
        if progress is None:
            progress = Progress()
            with self.database.transaction() as session:
                progress_store.create(session, self.destination.key, progress)
        sent, oldest = progress.acknowledged.settled, self.state.oldest
        if 0 < sent < oldest - 1:  # retention waits for no destination
            name = self.destination.name
            log.warning("audit_push_missed", destination=name, after=sent, before=oldest)
        ends_at = self.clock.monotonic() + _SECONDS_OF_A_ROUND
        while self.clock.monotonic() < ends_at:
            page = self._reader.page(progress.acknowledged, self._most)
            messages, end = self._next_batch(page, progress)
            if not messages:
                end = page.end(progress.acknowledged)
                if end != progress.acknowledged:
                    self._save(progress, acknowledged=end, attempted=progress.attempted | end)
                return
            progress = self._save(progress, attempted=progress.attempted | end)
            try:
                self.destination.send(messages)
            except NotDelivered as error:
                self._pause(progress, error)
                return
            arrived = {"acknowledged": end, "last_success_at": self.clock()}
            progress = self._save(progress, **arrived, failed=0, retry_at=None)
            self._most = min(self._most + _MORE_AFTER_A_SUCCESS, MAX_EVENTS)

    def _next_batch(self, page: EventPage, progress: Progress) -> tuple[list[Message], Bookmark]:
        """The events that fit in a message, all of which may have arrived before, or none."""
        messages: list[Message] = []
        size, end, were_again = 0, progress.acknowledged, False
        for event, bookmark in page.steps(end):
            is_again = progress.attempted.covers(event.chain, event.id)
            text = json.dumps(self.render(event, is_again))
            size += len(text)
            if messages and (is_again != were_again or size > MAX_BYTES):
                break
            is_refusal = event.outcome != Outcome.DONE
            messages.append(Message(event.at, event.action, is_refusal, text))
            end, were_again = bookmark, is_again
        return messages, end

    def _pause(self, progress: Progress, error: NotDelivered) -> None:
        if error.is_too_large and self._most > 1:
            self._most //= 2
        longest = min(2.0 ** min(progress.failed, _MOST_DOUBLINGS), _LONGEST_PAUSE)
        least = min(error.retry_after, _LONGEST_ASKED_FOR)
        seconds = max(longest * self.random.uniform(0.5, 1), least)
        log.warning(
            "audit_push_failed",
            destination=self.destination.name,
            failure=error.failure.value,
            reason=str(error),
            retry_in=round(seconds, 1),
        )
        failure = error.failure.value
        self._save(
            progress,
            failures={**progress.failures, failure: progress.failures.get(failure, 0) + 1},
            failed=progress.failed + 1,
            retry_at=self.clock() + timedelta(seconds=seconds),
            last_failure=str(error),
        )

    def _save(self, before: Progress, **changes: Any) -> Progress:
        """`before` with these changes; `_Overtaken` if another process has changed it."""
        after = replace(before, **changes)
        with self.database.transaction() as session:
            if not progress_store.replace(session, self.destination.key, before, after):
                raise _Overtaken
            self._observe(session, after)
        return after

    def _observe(self, session: Session, progress: Progress) -> None:
        ids = AuditLog(session).ids()
        behind = max(0, ids.stop - 1 - max(ids.start - 1, progress.acknowledged.settled))
        self.state = PushState(progress, behind, ids.start)


def build_destination(settings: Settings) -> Destination:
    """The one at `ISSUER_AUDIT_PUSH_URL`; `ConfigurationError` for an unusable certificate."""
    assert settings.audit_push_url is not None
    url = settings.audit_push_url.get_secret_value()
    parts = urlsplit(url)
    assert parts.hostname is not None  # the settings are checked
    port = parts.port or _PORTS[parts.scheme]
    name = f"{parts.scheme}://{parts.hostname}:{port}"
    # The path of a URL may be a secret, and is not stored.
    key = f"{name[:200]}#{hashlib.sha256(url.encode()).hexdigest()[:16]}"
    is_plain = parts.scheme in {"http", "syslog"}
    authorities = settings.audit_push_ca
    certificates = None if is_plain else accepted_certificates(authorities, "ISSUER_AUDIT_PUSH_CA")
    if parts.scheme in {"syslog", "syslog+tls"}:
        origin = urlsplit(settings.url).hostname or "-"
        return SyslogDestination((parts.hostname, port), name, key, origin, certificates)
    from issuer.audit.push.http_destination import HttpDestination  # noqa: PLC0415 - 5.4 MB

    token = settings.audit_push_token
    secret = token.get_secret_value() if token else None
    return HttpDestination(url, name, key, secret, certificates or ssl.create_default_context())
