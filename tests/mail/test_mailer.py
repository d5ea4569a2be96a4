"""Messages wait in a bounded queue, are tried a few times, and their end is audited."""

import logging
import threading
from datetime import timedelta

import pytest

from issuer.errors import Unavailable
from issuer.mail import MailMessage, NotSent
from issuer.mail.mailer import PAUSES, Mailer
from issuer.mail.messages import MOST_TO_A_USER, MOST_TO_AN_ADDRESS, Outbox
from issuer.telemetry.metrics import Metrics
from tests.builders import Deployment
from tests.mail.sending import events

MESSAGE = MailMessage("invitation", "usr_ada", "ada@example.com", "Subject", "text with a link")


class FakeMailServer:
    """Answers with `errors`, then accepts."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.sent: list[MailMessage] = []
        self.tried = 0

    def send(self, message: MailMessage) -> None:
        self.tried += 1
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(message)


class CountedMail(Metrics):
    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []

    def mailed(self, kind: str, outcome: str) -> None:
        self.outcomes.append((kind, outcome))


@pytest.fixture
def more_settings() -> dict[str, str]:
    return {}


@pytest.fixture
def server() -> FakeMailServer:
    return FakeMailServer()


@pytest.fixture
def metrics() -> CountedMail:
    return CountedMail()


@pytest.fixture
def mailer(deployment: Deployment, server: FakeMailServer, metrics: CountedMail) -> Mailer:
    foundation = deployment.services.foundation
    return Mailer(
        server, foundation.database, foundation.trails, deployment.clock, metrics, max_waiting=3
    )


def test_an_accepted_message_is_audited_without_address_and_text(
    deployment: Deployment, mailer: Mailer, server: FakeMailServer, metrics: CountedMail
):
    mailer.post([MESSAGE])
    mailer.run_due()
    assert server.sent == [MESSAGE]
    assert metrics.outcomes == [("invitation", "sent")]
    (event,) = events(deployment, "mail.sent")
    assert (event.target, dict(event.details)) == ("usr_ada", {"kind": "invitation"})


def test_a_refusal_for_now_is_tried_again_a_few_times(
    deployment: Deployment, mailer: Mailer, server: FakeMailServer, metrics: CountedMail
):
    server.errors = [NotSent("Not now.", is_passing=True)] * 10
    mailer.post([MESSAGE])
    mailer.run_due()
    for tried, pause in enumerate(PAUSES, 1):
        deployment.clock.move(timedelta(seconds=pause - 1))
        mailer.run_due()
        assert server.tried == tried
        deployment.clock.move(timedelta(seconds=1))
        mailer.run_due()
    assert (server.tried, mailer.waiting) == (len(PAUSES) + 1, 0)
    assert metrics.outcomes == [("invitation", "failed")]
    (event,) = events(deployment, "mail.failed")
    assert dict(event.details) == {"kind": "invitation", "reason": "Not now."}


def test_a_server_that_comes_back_gets_the_message(
    deployment: Deployment, mailer: Mailer, server: FakeMailServer
):
    server.errors = [NotSent("Not now.", is_passing=True)]
    mailer.post([MESSAGE])
    mailer.run_due()
    deployment.clock.move(timedelta(seconds=PAUSES[0]))
    mailer.run_due()
    assert server.sent == [MESSAGE]
    assert not events(deployment, "mail.failed")


def test_a_refusal_for_good_is_not_tried_again(mailer: Mailer, server: FakeMailServer):
    server.errors = [NotSent("No such mailbox.")]
    mailer.post([MESSAGE])
    mailer.run_due()
    assert (server.tried, mailer.waiting) == (1, 0)


def test_what_does_not_fit_is_dropped_counted_and_logged_without_addresses(
    deployment: Deployment, mailer: Mailer, metrics: CountedMail, caplog: pytest.LogCaptureFixture
):
    mailer.post([MESSAGE] * 5)
    assert (mailer.waiting, metrics.outcomes) == (3, [("invitation", "dropped")] * 2)
    assert len(events(deployment, "mail.failed")) == 2
    mailer.run_due()
    assert caplog.records
    assert "ada@example.com" not in caplog.text
    assert MESSAGE.text not in caplog.text


def test_a_task_posts_messages_and_a_failing_one_stops_nothing(
    deployment: Deployment, mailer: Mailer, server: FakeMailServer, caplog: pytest.LogCaptureFixture
):
    def fail() -> None:
        raise ZeroDivisionError

    def database_is_away() -> None:
        if not server.sent:
            raise Unavailable("The database is away.")

    mailer.later("password_reset", fail)
    mailer.later("password_reset", database_is_away)
    mailer.later("password_reset", lambda: mailer.post([MESSAGE]))
    with caplog.at_level(logging.CRITICAL):
        mailer.run_due()
    assert (server.sent, mailer.waiting) == ([MESSAGE], 1)
    deployment.clock.move(timedelta(seconds=PAUSES[0]))
    mailer.run_due()
    assert mailer.waiting == 0


def test_a_server_that_stops_tries_what_waits_once_more(
    deployment: Deployment, mailer: Mailer, server: FakeMailServer, metrics: CountedMail
):
    refused = threading.Event()

    def refuse_first(message: MailMessage) -> None:
        server.tried += 1
        refused.set()
        if server.tried == 1:
            raise NotSent("Not now.", is_passing=True)
        server.sent.append(message)

    server.send = refuse_first
    mailer.start()
    mailer.post([MESSAGE])
    assert refused.wait(20)
    mailer.stop()
    assert (server.tried, server.sent) == (2, [MESSAGE])
    assert metrics.outcomes == [("invitation", "sent")]


def test_a_command_learns_that_its_message_is_refused(mailer: Mailer, server: FakeMailServer):
    server.errors = [NotSent("Not now.", is_passing=True)]
    mailer.post([MESSAGE])
    with pytest.raises(NotSent, match=r"Not now\."):
        mailer.send_waiting()
    assert mailer.waiting == 0


def test_messages_to_a_user_and_to_an_address_are_bounded_for_each_hour(deployment: Deployment):
    """In the database, and so in all processes together."""

    def taken(user: str, address: str, kind: str = "invitation") -> int:
        number = 0
        for _ in range(MOST_TO_AN_ADDRESS + 1):
            with deployment.services.database.transaction() as session:
                outbox = Outbox(session, deployment.clock, b"k" * 32)
                try:
                    outbox.add(MailMessage(kind, user, address, "", ""))
                except NotSent:
                    break
                number += 1
        return number

    assert taken("ada", "ada@example.com") == MOST_TO_A_USER
    assert taken("ada", "Ada@example.com", "new_place") == MOST_TO_A_USER
    others = sum(taken(f"user-{number}", "ada@EXAMPLE.com") for number in range(5))
    assert others == MOST_TO_AN_ADDRESS - 2 * MOST_TO_A_USER
    deployment.clock.move(timedelta(hours=1))
    assert taken("ada", "ada@example.com") == MOST_TO_A_USER


def test_no_message_is_made_for_an_address_that_programs_may_misread(deployment: Deployment):
    with (
        deployment.services.database.transaction() as session,
        pytest.raises(NotSent, match="cannot receive mail"),
    ):
        Outbox(session, deployment.clock, b"").add(
            MailMessage("test", "ada", "a,b@example.com", "", "")
        )
