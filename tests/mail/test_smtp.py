"""Messages reach a real mail server, by TLS where it is not on this machine."""

import email
from email import policy
from pathlib import Path
from random import Random
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.errors import ConfigurationError
from issuer.fields.fields import can_receive_mail
from issuer.mail import MailMessage, NotSent, Texts
from issuer.mail.smtp import SmtpServer
from tests.builders import FakeClock, settings_for
from tests.journeys.running_issuer import reserved_port
from tests.mail.smtp_server import PASSWORD, USER, certificate_of, smtp_server, with_passwords
from tests.rows import rows

SENDER = "Our Issuer <id@mail.example>"
LOGIN = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@"
MESSAGE = Texts("https://id.example", "id.example").test("ada@example.com")


def mail_server(folder: Path, server: str, **more: str) -> SmtpServer:
    more = {"smtp_from": SENDER, **more}
    settings = settings_for(folder / "data", smtp_url=server, **more)
    return SmtpServer(settings, FakeClock(), Random(1))


def refusal(server: SmtpServer, message: MailMessage = MESSAGE) -> NotSent:
    with pytest.raises(NotSent) as refused:
        server.send(message)
    assert "s3cr3t" not in str(refused.value)
    assert message.to not in str(refused.value)
    return refused.value


def test_a_message_says_who_sent_it_when_and_that_a_program_did(tmp_path: Path):
    with smtp_server() as receiver:
        mail_server(tmp_path, f"smtp://127.0.0.1:{receiver.port}").send(MESSAGE)
        found = receiver.next()
    assert (found["From"], found["To"]) == (SENDER, "ada@example.com")
    assert found["Subject"] == "Test message of id.example"
    assert found["Date"].datetime.isoformat() == "2026-11-25T12:00:00+00:00"
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["Message-ID"].endswith("@mail.example>")
    assert found.get_content_type() == "text/plain"
    assert "https://id.example" in found.get_content()
    (envelope,) = receiver.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("id@mail.example", ["ada@example.com"])


def test_it_greets_with_its_host_or_with_a_literal_address(tmp_path: Path):
    """RFC 5321 §4.1.3."""
    with smtp_server() as receiver:
        where = f"smtp://127.0.0.1:{receiver.port}"
        for url in ("https://id.example", "http://127.0.0.1:9000"):
            mail_server(tmp_path, where, url=url).send(MESSAGE)
    assert receiver.greetings == ["id.example", "[127.0.0.1]"]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it has TLS already
@pytest.mark.parametrize("is_tls_first", [False, True])
def test_the_password_is_sent_by_tls_alone(tmp_path: Path, is_tls_first: bool):
    """With STARTTLS, and with TLS from the beginning (RFC 8314 §3.3)."""
    certificate = certificate_of(tmp_path)
    scheme = "smtps" if is_tls_first else "smtp"
    with smtp_server(certificate, is_tls_first=is_tls_first, **with_passwords) as receiver:
        where = f"localhost:{receiver.port}"
        server = mail_server(tmp_path, f"{scheme}://{LOGIN}{where}", smtp_ca=str(certificate))
        server.send(MESSAGE)
        assert receiver.next()["To"] == "ada@example.com"
        assert "by TLSv1" in server.check()
        wrong = mail_server(tmp_path, f"{scheme}://a:b@{where}", smtp_ca=str(certificate))
        refused = refusal(wrong)
    assert ("535" in str(refused), refused.is_passing) == (True, False)


def test_a_certificate_of_an_unknown_authority_or_another_name_is_refused(tmp_path: Path):
    certificate = certificate_of(tmp_path, "mail.example")
    with smtp_server(certificate, is_tls_first=True) as receiver:
        url = f"smtps://localhost:{receiver.port}"
        for more in ({}, {"smtp_ca": str(certificate)}):
            assert "certificate" in str(refusal(mail_server(tmp_path, url, **more)))
    assert receiver.is_empty


def test_without_starttls_nothing_is_sent(tmp_path: Path):
    """As where somebody between the servers removes it (RFC 3207 §6)."""
    certificate = certificate_of(tmp_path)
    with smtp_server() as receiver:
        url = f"smtp://{LOGIN}localhost:{receiver.port}"
        refused = refusal(mail_server(tmp_path, url, smtp_ca=str(certificate)))
        assert ("STARTTLS" in str(refused), refused.is_passing) == (True, False)
        plain = mail_server(tmp_path, f"smtp://localhost:{receiver.port}?disable_starttls=true")
        plain.send(MESSAGE)
        assert not plain.is_encrypted
        assert len(receiver.envelopes) == 1


@rows(
    ("answer", "is_passing"),
    [
        ("451 4.7.1 Try again later", True),
        ("554 5.7.1 <ADA@example.com>: no such\tmailbox", False),
    ],
)
def test_what_the_server_says_decides_whether_it_is_asked_again(
    tmp_path: Path, answer: str, is_passing: bool
):
    """RFC 5321 §4.2.1. The address of a person stays out of the error."""
    with smtp_server() as receiver:
        receiver.answers.append(answer)
        refused = refusal(mail_server(tmp_path, f"smtp://127.0.0.1:{receiver.port}"))
    assert refused.is_passing is is_passing
    assert answer[:9] in str(refused)
    assert "ada" not in str(refused).lower()


def test_a_server_that_is_away_may_come_back(tmp_path: Path):
    with reserved_port() as port:
        server = mail_server(tmp_path, f"smtp://127.0.0.1:{port}")
        assert refusal(server).is_passing
        with pytest.raises(NotSent, match=f"127.0.0.1:{port}: Connection refused"):
            server.check()


def test_addresses_in_other_alphabets_need_a_server_that_knows_them(tmp_path: Path):
    """RFC 6531."""
    message = Texts("https://id.example", "id.example").test("žofie@příklad.example")
    with smtp_server() as receiver:
        mail_server(tmp_path, f"smtp://127.0.0.1:{receiver.port}").send(message)
        assert receiver.next()["To"] == "žofie@příklad.example"
        assert receiver.envelopes[0].smtp_utf8
    with smtp_server(enable_SMTPUTF8=False) as receiver:
        refused = refusal(mail_server(tmp_path, f"smtp://127.0.0.1:{receiver.port}"), message)
    assert ("SMTPUTF8" in str(refused), refused.is_passing) == (True, False)


@given(
    username=st.text(max_size=200),
    user_agent=st.text(max_size=400),
    local=st.text(st.characters(codec="utf-8"), min_size=1, max_size=60),
)
def test_no_name_address_or_browser_begins_a_header_or_a_line(
    username: str, user_agent: str, local: str
):
    """Whatever they hold, there are the same headers, and as many lines of text."""
    texts = Texts("https://id.example", "id.example")
    server = object.__new__(SmtpServer)
    server._sender, server._sender_address = "Issuer", "id@mail.example"
    server._clock, server._random = FakeClock(), Random(1)
    now = server._clock()

    def composed(name: str, to: str, address: str, agent: str | None):
        yield server._compose(texts.invitation("u", name, to, "https://id.example/x", now))
        yield server._compose(texts.new_place("u", name, to, now, address, agent))

    to = f"{local}@example.com"
    to = to if can_receive_mail(to) else "ada@example.com"
    plain = [*composed("ada", "ada@example.com", "192.0.2.1", "Firefox/1")]
    hostile = [*composed(username, to, username, user_agent or "x")]
    for one, other in zip(plain, hostile, strict=True):
        raw = other.as_bytes(policy=policy.SMTPUTF8)
        parsed = email.message_from_bytes(raw, policy=policy.default)
        assert parsed.keys() == one.keys()
        assert parsed["Subject"] == one["Subject"]
        assert len(parsed.get_content().splitlines()) == len(one.get_content().splitlines())


def test_an_unusable_file_of_authorities_stops_the_start(tmp_path: Path):
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ConfigurationError, match="ISSUER_SMTP_CA"):
        mail_server(tmp_path, "smtps://mail.example", smtp_ca=str(tmp_path / "empty.pem"))
