"""Destinations acknowledge, or say why not; with real sockets."""

import re
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from issuer.audit.push.destination import Destination, Message, NotDelivered
from issuer.audit.push.pusher import build_destination
from issuer.audit.push.syslog_destination import SyslogDestination, frame
from issuer.errors import ConfigurationError
from tests.audit.push.receivers import HttpReceiver, PostHandler, SyslogReceiver, serving
from tests.builders import settings_for
from tests.federation.tls_server import self_signed
from tests.journeys.running_issuer import reserved_port, wait_until
from tests.rows import rows

MESSAGES = [
    Message(datetime(2026, 11, 27, 12, tzinfo=UTC), "token.issued", False, '{"seq": 1}'),
    Message(datetime(2026, 11, 27, 12, tzinfo=UTC), "trusted issuer.created", True, '{"seq": 2}'),
]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "certificate.pem"
    path.write_bytes(self_signed("localhost"))
    return path


Receiver = HttpReceiver | SyslogReceiver


@pytest.fixture
def serve() -> Callable[[Receiver], Receiver]:
    with ExitStack() as held:
        yield lambda receiver: held.enter_context(serving(receiver))


def destination(tmp_path: Path, url: str, **more: str) -> Destination:
    settings = {f"audit_push_{name}": value for name, value in more.items()}
    built = build_destination(settings_for(tmp_path, audit_push_url=url, **settings))
    assert built is not None
    return built


def failure(to: Destination) -> NotDelivered:
    with pytest.raises(NotDelivered) as failed:
        to.send(MESSAGES)
    assert "s3cr3t" not in str(failed.value) + to.name + to.key
    return failed.value


def test_a_batch_is_posted_as_json_lines(tmp_path: Path, certificate: Path, serve):
    receiver = serve(HttpReceiver(certificate))
    to = destination(tmp_path, receiver.url, ca=str(certificate), token="s3cr3t-token")
    to.send(MESSAGES)
    assert receiver.lines == [{"seq": 1}, {"seq": 2}]
    (headers,) = receiver.headers
    assert headers["Authorization"] == "Bearer s3cr3t-token"
    assert headers["Content-Type"] == "application/x-ndjson"
    assert "204" in to.check()


@pytest.mark.parametrize("scheme", [HttpReceiver, SyslogReceiver])
def test_a_certificate_of_an_unknown_authority_is_refused(
    tmp_path: Path, certificate: Path, serve, scheme: type[Receiver]
):
    receiver = serve(scheme(certificate))
    failed = failure(destination(tmp_path, receiver.url))
    assert (failed.failure, "certificate" in str(failed)) == ("tls", True)
    assert receiver.lines == []
    by_address = receiver.url.replace("localhost", "127.0.0.1")
    assert failure(destination(tmp_path, by_address, ca=str(certificate))).failure == "tls"


@rows(
    ("status", "cause"),
    [
        (401, "credentials"),
        (403, "credentials"),
        (400, "refused"),
        (302, "refused"),
        (304, "refused"),
        (429, "overloaded"),
        (500, "overloaded"),
        (503, "overloaded"),
    ],
)
def test_other_answers_are_no_acknowledgement(tmp_path: Path, serve, status: int, cause: str):
    receiver = serve(HttpReceiver())
    receiver.answers.append(status)
    failed = failure(destination(tmp_path, receiver.url))
    assert failed.failure == cause
    assert str(status) in str(failed)
    assert not failed.is_too_large
    assert len(receiver.headers) == 1, "no redirect was followed"


def test_a_receiver_may_ask_to_wait_or_for_less(tmp_path: Path, serve):
    receiver = serve(HttpReceiver())

    def wait(handler: PostHandler) -> None:
        handler.answer(503, retry_after="17")

    receiver.answers += [wait, 413]
    to = destination(tmp_path, receiver.url)
    assert failure(to).retry_after == 17
    assert failure(to).is_too_large


def test_a_connection_that_breaks_is_no_acknowledgement(tmp_path: Path, serve):
    receiver = serve(HttpReceiver())
    receiver.answers.append(None)
    assert failure(destination(tmp_path, receiver.url)).failure == "connection"
    with reserved_port() as port:
        assert failure(destination(tmp_path, f"http://localhost:{port}")).failure == "connection"
        assert failure(destination(tmp_path, f"syslog://localhost:{port}")).failure == "connection"


@pytest.mark.parametrize("before", ["", "HTTP/1.1 200 OK\r\n"])
def test_an_answer_that_is_not_http_is_not_repeated(tmp_path: Path, serve, before: str):
    """It may echo the request, whose path may be a secret."""
    receiver = serve(HttpReceiver())

    def echo(handler: PostHandler) -> None:
        handler.wfile.write(f"{before}{handler.requestline}\r\n\r\n".encode())

    receiver.answers.append(echo)
    failed = failure(destination(tmp_path, receiver.url))
    assert failed.failure == "connection"
    assert "illegal" in str(failed)


@pytest.mark.slow
@pytest.mark.parametrize("receiver", [HttpReceiver, SyslogReceiver])
def test_a_receiver_that_never_answers_is_given_up(tmp_path: Path, receiver: type[Receiver]):
    """The system accepts connections; nobody reads them."""
    silent = receiver()
    try:
        assert failure(destination(tmp_path, silent.url)).failure == "timeout"
    finally:
        silent.server_close()


@pytest.mark.parametrize(
    ("drips", "is_encrypted"),
    [("while it reads", True), ("while it reads", False), ("at the end", False)],
)
def test_a_syslog_server_has_one_deadline_however_it_drips(
    certificate: Path, serve, drips: str, is_encrypted: bool
):
    receiver = serve(SyslogReceiver(certificate if is_encrypted else None, drips=drips))
    certificates = ssl.create_default_context(cafile=certificate) if is_encrypted else None
    address = ("localhost", receiver.server_address[1])
    to = SyslogDestination(address, "syslog", "key", "-", certificates, seconds=1)
    with pytest.raises(NotDelivered) as failed:
        to.send([MESSAGES[0]] * 50_000)
    assert failed.value.failure == "timeout"


@pytest.mark.parametrize("is_encrypted", [True, False])
def test_a_batch_is_sent_as_syslog_with_the_length_of_each_message(
    tmp_path: Path, certificate: Path, serve, is_encrypted: bool
):
    receiver = serve(SyslogReceiver(certificate if is_encrypted else None))
    more = {"ca": str(certificate)} if is_encrypted else {}
    to = destination(tmp_path, receiver.url, **more)
    to.send(MESSAGES)
    wait_until(lambda: len(receiver.messages) == 2, 10, "both were read")
    assert receiver.messages == [
        '<110>1 2026-11-27T12:00:00.000000Z id.example agentos-issuer - token.issued - {"seq": 1}',
        "<109>1 2026-11-27T12:00:00.000000Z id.example agentos-issuer - trusted_issuer.created -"
        ' {"seq": 2}',
    ]
    to.send([MESSAGES[0]] * 2000)
    wait_until(lambda: len(receiver.messages) == 2002, 10, "all were read")
    assert "closes a connection" in to.check()


def test_a_syslog_server_that_resets_has_not_received(tmp_path: Path, serve):
    receiver = serve(SyslogReceiver(resets=1))
    assert failure(destination(tmp_path, receiver.url)).failure == "connection"


def test_a_frame_has_no_line_breaks_and_its_length_in_bytes():
    framed = frame(MESSAGES[0], "id.example")
    length, _, rest = framed.partition(b" ")
    assert int(length) == len(rest)
    assert b"\n" not in framed


@rows(
    "url",
    [
        "ftp://host",
        "https://",
        "http://siem.example/events",
        "https://user:s3cr3t@siem.example",
        "https://siem.example/#x",
        "syslog://siem.example/path",
        "syslog+udp://siem.example",
        "https://siem.example:99999",
    ],
)
def test_a_wrong_url_is_refused_without_repeating_it(tmp_path: Path, url: str):
    with pytest.raises(ConfigurationError, match="ISSUER_AUDIT_PUSH_URL") as refused:
        settings_for(tmp_path, audit_push_url=url)
    for secret in ("siem.example", "s3cr3t"):
        assert secret not in str(refused.value)


@rows(
    ("settings", "words"),
    [
        ({"audit_push_token": "t0ken"}, "ISSUER_AUDIT_PUSH_TOKEN is for"),
        ({"audit_push_url": "syslog://siem.example", "audit_push_token": "t0ken"}, "no token"),
        ({"audit_push_url": "syslog://siem.example", "audit_push_ca": "ca.pem"}, "PUSH_CA is for"),
        ({"audit_push_url": "https://siem.example", "audit_push_token": "a b"}, "without spaces"),
        ({"audit_format": "cef"}, "ISSUER_AUDIT_FORMAT"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, settings: dict[str, str], words: str):
    with pytest.raises(ConfigurationError, match=re.escape(words)) as refused:
        settings_for(tmp_path, **settings)
    assert "t0ken" not in str(refused.value)


def test_a_file_without_certificates_is_refused(tmp_path: Path):
    (tmp_path / "empty.pem").write_text("")
    for name in ("empty.pem", "nowhere.pem"):
        with pytest.raises(ConfigurationError, match="ISSUER_AUDIT_PUSH_CA"):
            destination(tmp_path, "https://siem.example", ca=str(tmp_path / name))
