"""Messages arrive at least once, in order, and no recipient waits for another."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from issuer.composition import compose
from issuer.database.tables import DeliveryRecipientRow, DeliveryRow
from issuer.deliveries import queue_store, sender
from issuer.deliveries.queue_store import DeliveryQueue, Recipient
from issuer.federation.fetching import Fetcher
from issuer.settings import Settings
from tests.builders import Deployment, FakeClock
from tests.deliveries.receiving import URI, Receivers
from tests.federation.tls_server import Behaviour, TlsServer, answer, tls_server
from tests.interleaving import right_after
from tests.killing import killed
from tests.oauth.refreshing import events

APP = Recipient("logout", "app")


@pytest.fixture
def waiting(deployment: Deployment, receivers: Receivers) -> Deployment:
    deployment.client("app", backchannel_logout_uri=URI)
    queue(deployment, 3)
    return deployment


def queue(deployment: Deployment, number: int, recipient: Recipient = APP, first: int = 0) -> None:
    messages = [
        {"sub": "usr_a", "sid": f"session_{first + each}", "audience": "my-os"}
        for each in range(number)
    ]
    with deployment.services.database.transaction() as session:
        DeliveryQueue(session).add({recipient: messages}, deployment.clock())


def sids(claims: list[dict[str, str]]) -> list[str]:
    return [each["sid"].removeprefix("session_") for each in claims]


def test_messages_arrive_in_order(waiting: Deployment, receivers: Receivers):
    queue(waiting, 2, first=3)
    assert sids(receivers.deliver()) == ["0", "1", "2", "3", "4"]


def test_a_failure_is_tried_again_and_later_messages_wait_for_it(
    waiting: Deployment, receivers: Receivers
):
    """Ever later, at most an hour."""
    receivers.answers[URI] = [500]
    attempts = []
    for _ in range(3_600):
        attempts += sids(receivers.deliver())
        waiting.clock.move(timedelta(seconds=10))
    assert {*attempts} == {"0"}
    assert 12 < len(attempts) < 24
    receivers.answers[URI] = [204]
    waiting.clock.move(timedelta(hours=1))
    assert sids(receivers.deliver()) == ["0", "1", "2"]


def test_the_same_token_is_recognized_when_it_comes_again(
    waiting: Deployment, receivers: Receivers
):
    """Each attempt is signed anew, for two minutes; the `jti` stays."""
    receivers.answers[URI] = [500, 200]
    (first,) = receivers.deliver()
    waiting.clock.move(timedelta(minutes=5))
    again = receivers.deliver()
    assert again[0]["jti"] == first["jti"] != again[1]["jti"]
    assert again[0]["exp"] - first["exp"] == 300


@pytest.mark.parametrize("failure", ["It is private.", 302, 401, 404, 429, 500, 201])
def test_whatever_is_not_200_or_204_is_tried_again(
    waiting: Deployment, receivers: Receivers, failure: int | str
):
    receivers.answers[URI] = [failure, 200]
    assert len(receivers.deliver()) == 1
    waiting.clock.move(timedelta(seconds=10))
    assert len(receivers.deliver()) == 3


def test_a_refusal_is_final_and_audited(waiting: Deployment, receivers: Receivers):
    """§2.8: 400 says that the token is not valid."""
    receivers.answers[URI] = [400, 200]
    assert sids(receivers.deliver()) == ["0", "1", "2"]
    (event,) = events(waiting, "delivery.refused")
    assert (event.target, event.details["message"]["sid"]) == ("app", "session_0")
    assert event.details["reason"] == f"{URI} answered 400."


def test_a_recipient_that_refuses_everything_is_shown_for_a_week(
    waiting: Deployment, receivers: Receivers
):
    """Nothing waits for it; still no session ends there."""
    receivers.answers[URI] = [400]
    receivers.deliver()
    assert problems(waiting) == [
        f"The last message was not accepted: {URI} answered 400. It is not sent again."
    ]
    waiting.clock.move(timedelta(days=8))
    assert problems(waiting) == []
    queue(waiting, 1, first=3)
    receivers.deliver()
    assert len(problems(waiting)) == 1
    queue(waiting, 1, first=4)
    receivers.answers[URI] = [200]
    waiting.clock.move(timedelta(seconds=1))
    receivers.deliver()
    assert problems(waiting) == []


def problems(deployment: Deployment) -> list[str]:
    with deployment.services.administration.reading() as work:
        failing = work.deliveries.failing(10)
        assert work.deliveries.counts()[1] == len(failing)
        return [state.problem for _, state in failing]


def test_messages_are_given_up_after_a_day_of_failures_and_audited(
    waiting: Deployment, receivers: Receivers
):
    receivers.answers[URI] = [404]
    receivers.deliver()
    waiting.clock.move(timedelta(hours=12))
    queue(waiting, 1, first=3)
    receivers.deliver()
    assert not events(waiting, "delivery.given_up")
    waiting.clock.move(timedelta(hours=13))
    receivers.deliver()
    (event,) = events(waiting, "delivery.given_up")
    given_up = [each["sid"] for each in event.details["messages"]]
    assert given_up == ["session_0", "session_1", "session_2"]
    assert (event.target, event.details["reason"]) == ("app", f"{URI} answered 404.")
    assert receivers.waiting() == 1


def test_what_waited_while_the_issuer_was_away_is_tried_once_more(
    waiting: Deployment, receivers: Receivers
):
    waiting.clock.move(timedelta(days=3))
    assert len(receivers.deliver()) == 3


def test_a_recipient_that_fails_waits_alone(waiting: Deployment, receivers: Receivers):
    waiting.client("other", backchannel_logout_uri="https://other.example/")
    queue(waiting, 2, Recipient("logout", "other"))
    receivers.answers[URI] = [500]
    assert sids(receivers.deliver()).count("1") == 1
    assert (receivers.waiting("app"), receivers.waiting("other")) == (3, 0)


def test_a_recipient_that_answers_slowly_lets_others_go_first(
    waiting: Deployment, receivers: Receivers
):
    other = "https://other.example/"
    waiting.client("other", backchannel_logout_uri=other)
    queue(waiting, 2, Recipient("logout", "other"))
    receivers.slow = {URI}
    assert sids(receivers.deliver()) == ["0", "0", "1", "1", "2"]
    assert [url for url, _ in receivers.received] == [URI, other, other, URI, URI]


def test_a_full_queue_drops_new_messages_and_says_so_once(
    waiting: Deployment, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(queue_store, "MAX_OF_RECIPIENT", 4)
    monkeypatch.setattr(queue_store, "MAX_OF_ALL", 5)
    for first in (3, 6):
        queue(waiting, 3, first=first)
    queue(waiting, 3, Recipient("logout", "other"))
    assert (receivers.waiting(), receivers.waiting("other")) == (4, 1)
    assert sids(receivers.deliver()) == ["0", "1", "2", "3"]
    dropped = {
        event.target: event.details["messages"] for event in events(waiting, "delivery.dropped")
    }
    assert dropped == {"app": 5, "other": 2}
    queue(waiting, 1, first=9)
    assert sids(receivers.deliver()) == ["9"]
    assert len(events(waiting, "delivery.dropped")) == 2


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_a_recipient_may_be_forgotten_while_a_message_is_queued(
    deployment: Deployment, receivers: Receivers
):
    """Between any two statements. SQLite has one writer at a time."""
    deployment.client("app", backchannel_logout_uri=URI)

    def forget() -> None:
        with deployment.services.database.transaction() as session:
            DeliveryQueue(session).forget(APP)

    def add() -> None:
        with deployment.services.database.transaction() as session:
            none = {"waiting": 0, "failed": 0, "dropped": 0}
            session.add(DeliveryRecipientRow(kind=APP.kind, recipient=APP.id, **none))

    with (
        right_after(deployment, "SELECT delivery_recipients.waiting", add),
        right_after(deployment, "DO NOTHING RETURNING delivery_recipients", forget),
    ):
        queue(deployment, 1, first=7)
    assert sids(receivers.deliver()) == ["7"]


def test_a_clock_that_was_ahead_delays_nothing(waiting: Deployment, receivers: Receivers):
    waiting.clock.move(timedelta(days=2))
    receivers.answers[URI] = [500, 200]
    receivers.deliver()
    waiting.clock.move(timedelta(days=-2))
    queue(waiting, 1, first=3)
    assert len(receivers.deliver()) == 1


def test_a_kind_that_only_a_newer_version_knows_waits_for_that(
    waiting: Deployment, receivers: Receivers
):
    queue(waiting, 1, Recipient("newer", "app"))
    assert len(receivers.deliver()) == 3


def test_two_processes_deliver_to_no_recipient_at_once(waiting: Deployment):
    sending = waiting.services.deliveries
    assert [each.recipient for each in sending.claim()] == [APP]
    assert sending.claim() == []
    waiting.clock.move(timedelta(seconds=61))
    assert [each.recipient for each in sending.claim()] == [APP]


def test_a_claim_that_has_ended_puts_off_nothing(waiting: Deployment, receivers: Receivers):
    """Its process was stopped for a minute, and another one has claimed since."""
    (late,) = waiting.services.deliveries.claim()
    waiting.clock.move(timedelta(seconds=61))
    (now,) = waiting.services.deliveries.claim()
    with waiting.services.database.transaction() as session:
        late_queue = DeliveryQueue(session)
        late_queue.failed(late, waiting.clock(), "late", timedelta(hours=1))
        late_queue.release(late, waiting.clock())
        assert late_queue.find(APP).due_at == now.until
    waiting.services.deliveries.deliver(now)
    assert len(receivers.received) == 3


def deliver_in_a_process(settings: Settings, clock: FakeClock, folder: Path) -> None:
    """As a server does; what arrives is a line of a file."""
    services = compose(settings, clock)
    services.keys.keyring.reconcile()

    class Arriving(Receivers):
        async def send(self, *request: Any) -> int:
            status = await super().send(*request)
            with (folder / "arrived").open("a") as file:
                file.write(f"{len(self.received)}\n")
            return status

    services.deliveries._fetcher = Arriving(Deployment(services, None))
    for claimed in services.deliveries.claim():
        services.deliveries.deliver(claimed)


def test_nothing_is_lost_when_a_process_is_killed(waiting: Deployment, tmp_path: Path):
    """Before each commit: what had arrived by then may arrive again."""
    services, steps = waiting.services, 0
    work = partial(deliver_in_a_process, services.settings, waiting.clock, tmp_path)
    for before in count():
        if killed(work, before) is None:
            break
        steps += 1
        with services.database.reading() as session:
            left = session.query(DeliveryRow).count()
        arrived = tmp_path / "arrived"
        lines = arrived.read_text().count("\n") if arrived.exists() else 0
        assert lines + left >= 3
        waiting.clock.move(timedelta(seconds=61))
    assert steps
    with services.database.reading() as session:
        assert session.query(DeliveryRow).count() == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TlsServer]:
    with tls_server(tmp_path) as running:
        yield running


def test_a_receiver_inside_is_never_asked(waiting: Deployment, server: TlsServer):
    """The guards against SSRF of key sets (`issuer/federation/`)."""
    inside = Fetcher(lambda *_: ["127.0.0.1"], certificates=server.trust)
    waiting.services.deliveries._fetcher = inside
    url = server.at("/logout", answer(b""))
    with waiting.changing() as work:
        work.clients.update("app", {"backchannel_logout_uri": url})
    for claimed in waiting.services.deliveries.claim():
        waiting.services.deliveries.deliver(claimed)
    assert server.asked == []
    with waiting.services.database.reading() as session:
        assert "not public" in str(DeliveryQueue(session).find(APP).last_failure)


@pytest.mark.parametrize(
    "accepting",
    [answer(b"x" * 100_000), answer(b"not gzip", content_encoding="gzip")],
    ids=["long", "compressed"],
)
def test_only_the_status_of_an_answer_counts(
    waiting: Deployment, receivers: Receivers, server: TlsServer, accepting: Behaviour
):
    url = server.at("/logout", accepting)
    with waiting.changing() as work:
        work.clients.update("app", {"backchannel_logout_uri": url})
    sending = waiting.services.deliveries
    sending._fetcher = Fetcher(lambda *_: ["127.0.0.1"], lambda _: True, certificates=server.trust)
    for claimed in sending.claim():
        sending.deliver(claimed)
    assert (len(server.asked), receivers.waiting()) == (3, 0)


def test_a_slow_receiver_delays_no_other(waiting: Deployment, server: TlsServer):
    """It has five seconds; the threads of other recipients go on."""
    is_over = threading.Event()
    slow = server.at("/slow", lambda _: (is_over.wait(30), None)[1])
    quick = server.at("/quick", answer(b""))
    with waiting.changing() as work:
        work.clients.update("app", {"backchannel_logout_uri": slow})
    waiting.client("quick", backchannel_logout_uri=quick)
    sending = waiting.services.deliveries
    sending._fetcher = Fetcher(lambda *_: ["127.0.0.1"], lambda _: True, certificates=server.trust)
    sending.poll()
    queue(waiting, 5, Recipient("logout", "quick"))
    began = time.monotonic()
    sending.poll()
    while sum(path == "/quick" for path, _ in server.asked) < 5:
        assert time.monotonic() - began < 4
        time.sleep(0.01)
    is_over.set()
    sending.stop()


def test_a_process_delivers_to_a_bounded_number_of_recipients_at_once(
    deployment: Deployment, server: TlsServer
):
    is_over = threading.Event()
    url = server.at("/slow", lambda _: (is_over.wait(30), None)[1])
    for number in range(sender.AT_ONCE + 3):
        deployment.client(f"app-{number}", backchannel_logout_uri=url)
        queue(deployment, 1, Recipient("logout", f"app-{number}"))
    sending = deployment.services.deliveries
    sending._fetcher = Fetcher(lambda *_: ["127.0.0.1"], lambda _: True, certificates=server.trust)
    for _ in range(3):
        sending.poll()
    assert len(sending._threads) == sender.AT_ONCE
    is_over.set()
    sending.stop()
