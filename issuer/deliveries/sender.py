"""Sends the queued messages: each recipient waits for itself alone."""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from random import Random
from typing import Any, Final, Protocol

from issuer.audit import Actor, Trails
from issuer.background.periodic import SECONDS_FOR_OTHERS
from issuer.clock import Clock
from issuer.database import Database
from issuer.deliveries.queue_store import LONGEST_PAUSE, Claimed, Delivery, DeliveryQueue
from issuer.errors import DatabaseUnavailable, Unavailable
from issuer.federation.fetching import Fetcher, FetchRefused
from issuer.telemetry.logs import get_logger

SEND_EVERY = timedelta(seconds=1)
GIVEN_UP_AFTER = timedelta(days=1)
AT_ONCE = 8  # recipients, in a process
_FIRST_PAUSE = timedelta(seconds=10)
_MOST_DOUBLINGS = 9
# A request takes at most 5 s: the last one of a turn ends well before another process may go on.
_SECONDS_OF_A_TURN: Final = 20.0
_SECONDS_OF_A_SLOW_REQUEST: Final = 1.0
_LEASE = timedelta(seconds=60)
_SENDER = Actor("issuer:background")
_MAX_CAUSE = 500

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Post:
    """A request that delivers a message."""

    url: str
    content_type: str
    content: str


class Messages(Protocol):
    """The messages of a kind."""

    def post(self, recipient: str, message: Mapping[str, Any]) -> Post | None:
        """The request; None if the recipient wants no such messages any more."""


@dataclass(eq=False, repr=False)
class Sender:
    """Every process has one. A process claims a recipient, and the claim ends by itself.

    If it is killed after a message has arrived, that one is sent again: it is the same. 200 and 204
    are success, 400 is final; anything else is tried again for a day, then given up.
    """

    _database: Database
    _trails: Trails
    _clock: Clock
    _random: Random
    _fetcher: Fetcher
    _kinds: Mapping[str, Messages]

    def __post_init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """Send no other message; a request that has begun is left to end with the process."""
        self._is_stopped.set()
        ends_at = self._clock.monotonic() + SECONDS_FOR_OTHERS
        for thread in self._threads:
            thread.join(max(0.0, ends_at - self._clock.monotonic()))

    def poll(self) -> None:
        """Deliver what is due, each recipient in a thread of its own."""
        self._threads = [each for each in self._threads if each.is_alive()]
        for claimed in self.claim(AT_ONCE - len(self._threads)):
            thread = threading.Thread(
                target=self._deliver_logged, args=(claimed,), name="delivery", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def claim(self, limit: int = AT_ONCE) -> list[Claimed]:
        """Recipients with messages that are due, for this process alone."""
        now = self._clock()
        with self._database.reading() as session:
            if limit <= 0 or not DeliveryQueue(session).has_due(now):
                return []
        with self._database.transaction() as session:
            return DeliveryQueue(session).claim([*self._kinds], now, _LEASE, limit)

    def deliver(self, claimed: Claimed) -> None:
        """Send its messages in order, until one fails or is slow, or its turn is over."""
        if claimed.dropped:
            self._audit_dropped(claimed)
        ends_at = self._clock.monotonic() + _SECONDS_OF_A_TURN
        while self._clock.monotonic() < ends_at and not self._is_stopped.is_set():
            with self._database.reading() as session:
                delivery = DeliveryQueue(session).next(claimed.recipient)
            began_at = self._clock.monotonic()
            if delivery is None or not self._send(claimed, delivery):
                break
            if self._clock.monotonic() - began_at > _SECONDS_OF_A_SLOW_REQUEST:
                break
        with self._database.transaction() as session:
            DeliveryQueue(session).release(claimed, self._clock())

    def _deliver_logged(self, claimed: Claimed) -> None:
        try:
            self.deliver(claimed)
        except DatabaseUnavailable:
            pass  # logged once a minute, for all uses of the database
        except Exception:
            log.exception("delivery_crashed", kind=claimed.recipient.kind, to=claimed.recipient.id)

    def _send(self, claimed: Claimed, delivery: Delivery) -> bool:
        """Whether the next message may follow."""
        kind, id_ = claimed.recipient
        try:
            post = self._kinds[kind].post(id_, delivery.message)
            if post is None:
                with self._database.transaction() as session:
                    DeliveryQueue(session).forget(claimed.recipient)
                return False
            headers = {"Content-Type": post.content_type}
            status = asyncio.run(self._fetcher.send(post.url, headers, post.content))
        except (FetchRefused, Unavailable) as error:
            self._pause(claimed, str(error)[:_MAX_CAUSE])
            return False
        if status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
            with self._database.transaction() as session:
                DeliveryQueue(session).delivered(claimed.recipient, delivery, self._clock())
            return True
        if status == HTTPStatus.BAD_REQUEST:
            self._refuse(claimed, delivery, f"{post.url} answered {status}.")
            return True
        self._pause(claimed, f"{post.url} answered {status}.")
        return False

    def _audit_dropped(self, claimed: Claimed) -> None:
        kind, id_ = claimed.recipient
        with self._database.transaction() as session:
            trail = self._trails.begin(session, _SENDER)
            trail.note("delivery.dropped", id_, kind=kind, messages=claimed.dropped)
            DeliveryQueue(session).audited_dropped(claimed)

    def _refuse(self, claimed: Claimed, delivery: Delivery, cause: str) -> None:
        kind, id_ = claimed.recipient
        with self._database.transaction() as session:
            trail = self._trails.begin(session, _SENDER)
            about = {"kind": kind, "message": dict(delivery.message), "reason": cause}
            trail.note("delivery.refused", id_, **about)
            DeliveryQueue(session).refused(claimed.recipient, delivery, self._clock(), cause)

    def _pause(self, claimed: Claimed, cause: str) -> None:
        kind, id_ = claimed.recipient
        while self._give_up(claimed, cause):
            pass
        with self._database.transaction() as session:
            queue = DeliveryQueue(session)
            state = queue.find(claimed.recipient)
            doublings = min(state.failed, _MOST_DOUBLINGS) if state else 0
            longest = min(_FIRST_PAUSE * 2**doublings, LONGEST_PAUSE)
            pause = longest * self._random.uniform(0.75, 1)
            queue.failed(claimed, self._clock(), cause, pause)
        retry_in = round(pause.total_seconds())
        log.warning("delivery_failed", kind=kind, to=id_, reason=cause, retry_in=retry_in)

    def _give_up(self, claimed: Claimed, cause: str) -> bool:
        """Give up some messages that waited for a day, in one audit event; whether there were."""
        kind, id_ = claimed.recipient
        with self._database.transaction() as session:
            queue, until = DeliveryQueue(session), self._clock() - GIVEN_UP_AFTER
            if expired := queue.expired(claimed.recipient, until):
                trail = self._trails.begin(session, _SENDER)
                messages = [dict(each.message) for each in expired]
                trail.note("delivery.given_up", id_, kind=kind, messages=messages, reason=cause)
                queue.delete(claimed.recipient, expired)
        return bool(expired)
