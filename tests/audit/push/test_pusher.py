"""Each event arrives at least once, and is marked where it arrives again."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, update

from issuer.audit import Actor, Event
from issuer.audit.chain_store import ChainHead, append
from issuer.audit.push.destination import RENDERERS, Message, NotDelivered, PushFailure
from issuer.audit.push.pusher import MAX_BYTES, MAX_EVENTS, Pusher
from issuer.database import Database
from issuer.database.only_one import if_free
from issuer.database.tables import AuditEventRow, AuditPushRow
from tests.audit.conftest import CHAIN_KEY
from tests.audit.push.receivers import sent_twice_without_mark
from tests.builders import FakeClock

AT = FakeClock().now


class Killed(BaseException):
    """The process has ended there."""


class FakeReceiver:
    """Keeps what it receives. `faults` come one after another; without any it acknowledges."""

    name = "https://siem.example:443"
    key = "siem"

    def __init__(self) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self.faults: list[str] = []
        self.most = MAX_EVENTS

    def send(self, messages: Sequence[Message]) -> None:
        fault = self.faults.pop(0) if self.faults else "none"
        if fault == "killed before":
            raise Killed
        if fault == "unreachable":
            raise NotDelivered(PushFailure.CONNECTION, "the connection failed: refused")
        if len(messages) > self.most:
            raise NotDelivered(PushFailure.REFUSED, "it answered 413", is_too_large=True)
        self.batches.append([json.loads(message.text) for message in messages])
        if fault == "killed after":
            raise Killed
        if fault == "answer lost":
            raise NotDelivered(PushFailure.TIMEOUT, "no answer within 10 s")

    def check(self) -> str:
        return "It answers."

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for batch in self.batches for event in batch]

    @property
    def arrived(self) -> list[str]:
        return [f"{event['chain']}/{event['seq']}" for event in self.events]


class Writer:
    """A process that writes events to a chain of its own."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self._end = ChainHead()

    def write(self, number: int = 1, **details: object) -> None:
        event = Event(AT, Actor("ci-bot"), "token.issued", details=details)
        with self._database.statements() as connection:
            self._end, _ = append(CHAIN_KEY, connection, self._name, self._end, [event] * number)

    @property
    def written(self) -> list[str]:
        return [f"{self._name}/{seq + 1}" for seq in range(self._end.seq)]


@pytest.fixture
def receiver() -> FakeReceiver:
    return FakeReceiver()


@pytest.fixture
def writer(database: Database) -> Writer:
    return Writer(database, "a")


@pytest.fixture
def start(database: Database, clock: FakeClock, receiver: FakeReceiver) -> Callable[[], Pusher]:
    """A pusher as in a new process."""
    return lambda: Pusher(database, clock, Random(1), receiver, RENDERERS["json"])


def test_events_are_sent_once_and_in_order(start, writer: Writer, receiver: FakeReceiver):
    writer.write(MAX_EVENTS + 100)
    pusher = start()
    for _ in range(3):
        pusher.push()
    writer.write(2)
    start().push()
    assert receiver.arrived == writer.written
    assert [len(batch) for batch in receiver.batches] == [MAX_EVENTS, 100, 2]
    assert not any("resent" in event for event in receiver.events)
    assert pusher.state.progress.failures == {}


def test_a_batch_is_bounded_in_bytes(start, writer: Writer, receiver: FakeReceiver):
    writer.write(40, text="x" * 30_000)
    start().push()
    assert receiver.arrived == writer.written
    assert all(len(json.dumps(batch)) < MAX_BYTES + 1000 for batch in receiver.batches)
    assert len(receiver.batches) == 3


def test_pauses_grow_to_a_minute_with_jitter_and_end_with_a_success(
    start, writer: Writer, receiver: FakeReceiver, clock: FakeClock
):
    writer.write()
    receiver.faults = ["unreachable"] * 9
    pusher, pauses = start(), []
    while receiver.faults:
        pusher.push()
        retry_at = pusher.state.progress.retry_at
        pauses.append((retry_at - clock.now).total_seconds())
        attempts = len(receiver.faults)
        clock.move(retry_at - clock.now - timedelta(milliseconds=1))
        start().push()
        assert len(receiver.faults) == attempts, "no process tries before"
        clock.move(timedelta(milliseconds=1))
    for number, pause in enumerate(pauses):
        assert min(2**number, 60) / 2 <= pause <= min(2**number, 60)
    assert len(set(pauses[6:])) == 3
    pusher.push()
    progress = pusher.state.progress
    assert (progress.failed, progress.retry_at, progress.failures) == (0, None, {"connection": 9})
    assert progress.last_success_at == clock.now
    assert receiver.arrived == writer.written


def test_pauses_stay_a_minute_after_days(
    start, database: Database, writer: Writer, receiver: FakeReceiver, clock: FakeClock
):
    writer.write()
    receiver.faults = ["unreachable"] * 2
    start().push()
    with database.transaction() as session:
        session.execute(update(AuditPushRow).values(failed=5_000))
    clock.move(timedelta(minutes=1))
    pusher = start()
    pusher.push()
    pause = pusher.state.progress.retry_at - clock.now
    assert timedelta(seconds=30) <= pause <= timedelta(seconds=60)


def test_a_clock_that_was_set_back_does_not_stop_it(
    start, writer: Writer, receiver: FakeReceiver, clock: FakeClock
):
    writer.write()
    receiver.faults = ["unreachable"]
    start().push()
    clock.move(-timedelta(hours=1))
    start().push()
    assert receiver.arrived == writer.written


def test_a_receiver_that_takes_less_gets_smaller_batches(
    start, writer: Writer, receiver: FakeReceiver, clock: FakeClock
):
    receiver.most = 30
    writer.write(100)
    pusher = start()
    for _ in range(20):
        pusher.push()
        clock.move(timedelta(minutes=1))
    assert sorted(set(receiver.arrived)) == sorted(writer.written)
    assert pusher.state.behind == 0


def test_one_process_sends_at_a_time(
    start, database: Database, writer: Writer, receiver: FakeReceiver
):
    writer.write()
    with if_free(database, "audit-push") as is_free:
        assert is_free
        start().push()
        assert receiver.batches == []
        with if_free(database, "another") as is_free_too:
            assert is_free_too
    start().push()
    assert receiver.arrived == writer.written


def test_a_process_that_was_overtaken_does_not_move_the_bookmark_back(
    start, database: Database, writer: Writer, receiver: FakeReceiver
):
    """It lost the lock, with its connection, while the receiver was slow."""
    writer.write(2)
    slow, fast = start(), start()
    send = receiver.send

    def send_slowly(messages: Sequence[Message]) -> None:
        receiver.send = send
        send(messages)
        with suppress(AttributeError):
            fast._push_all()

    receiver.send = send_slowly
    slow.push()
    writer.write()
    start().push()
    assert receiver.arrived == [*writer.written[:2], *writer.written[:2], *writer.written[2:]]
    assert [event.get("resent", False) for event in receiver.events[:4]] == [False] * 2 + [True] * 2


def test_retention_does_not_stop_it(
    start, database: Database, writer: Writer, receiver: FakeReceiver, caplog
):
    writer.write(3)
    start().push()
    writer.write(3)
    with database.transaction() as session:
        session.execute(delete(AuditEventRow).where(AuditEventRow.seq < 6))
    start().push()
    assert receiver.arrived == [*writer.written[:3], writer.written[-1]]
    assert "audit_push_missed" in caplog.text


FAULTS = ["none", "unreachable", "answer lost", "killed before", "killed after"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 2), st.integers(1, 5)),
        st.tuples(st.just("push"), st.sampled_from(FAULTS), st.sampled_from(FAULTS)),
    ),
    max_size=25,
)


@pytest.fixture
def emptied(database: Database) -> Callable[[], Database]:
    def empty() -> Database:
        with database.transaction() as session:
            session.execute(delete(AuditEventRow))
            session.execute(delete(AuditPushRow))
        return database

    return empty


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_nothing_is_lost_and_duplicates_are_marked_whatever_fails(emptied):
    """Of both sides: the issuer and the receiver are killed, and answers are lost."""

    @given(STEPS)
    def check(steps: list[tuple[Any, ...]]) -> None:
        database, clock, receiver = emptied(), FakeClock(), FakeReceiver()
        writers = [Writer(database, name) for name in "abc"]
        pusher = Pusher(database, clock, Random(1), receiver, RENDERERS["json"])
        for what, *how in steps:
            if what == "write":
                writers[how[0]].write(how[1])
                continue
            receiver.faults = list(how)
            try:
                pusher.push()
            except Killed:
                pusher = Pusher(database, clock, Random(1), receiver, RENDERERS["json"])
            clock.move(timedelta(minutes=1))
        receiver.faults = []
        pusher.push()
        require_all(receiver, writers)

    check()


def require_all(receiver: FakeReceiver, writers: Sequence[Writer]) -> None:
    written = [each for writer in writers for each in writer.written]
    assert sorted(set(receiver.arrived)) == sorted(written)
    assert sent_twice_without_mark(receiver.events) == []
