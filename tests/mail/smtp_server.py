"""A mail server for tests: it keeps what it accepts, refuses, asks for passwords, and has TLS."""

import email
import logging
import queue
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from tests.federation.tls_server import self_signed
from tests.journeys.running_issuer import reserved_port

logging.getLogger("mail.log").setLevel(logging.WARNING)  # every command

USER, PASSWORD = "mailer@id.example", "p@ss/w%rd: s3cr3t"
OK = "250 OK"


class SmtpReceiver:
    """`answers` are given to the next messages instead of accepting them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.host = "127.0.0.1"
        self.messages: queue.Queue[EmailMessage] = queue.Queue()
        self.envelopes: list[Envelope] = []
        self.answers: list[str] = []
        self.connections = 0
        self.greetings: list[str] = []

    def next(self) -> EmailMessage:
        """The next message; waits for it."""
        return self.messages.get(timeout=20)

    @property
    def is_empty(self) -> bool:
        return self.messages.empty()

    async def handle_EHLO(
        self, server: Any, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.greetings.append(hostname)
        self.connections += 1
        return responses

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        if self.answers and (answer := self.answers.pop(0)) != OK:
            return answer
        self.envelopes.append(envelope)
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.put(message)
        return OK


def _check(_: object, __: object, ___: object, mechanism: str, given: LoginPassword) -> AuthResult:
    is_right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=False)


@contextmanager
def smtp_server(
    certificate: Path | None = None, *, is_tls_first: bool = False, **options: Any
) -> Iterator[SmtpReceiver]:
    """A running server on loopback; with a `certificate` it offers STARTTLS, or TLS at once."""
    tls: dict[str, Any] = {}
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        tls = {"ssl_context" if is_tls_first else "tls_context": context}
    # It does not notice TLS that was there before the first command.
    options = {"enable_SMTPUTF8": True, "auth_require_tls": not is_tls_first, **options}
    with reserved_port() as port:
        server = SmtpReceiver(port)
        controller = Controller(server, hostname=server.host, port=port, **tls, **options)
        controller.start()
        try:
            yield server
        finally:
            controller.stop()


with_passwords: dict[str, Any] = {"authenticator": _check, "auth_required": True}


def certificate_of(folder: Path, host: str = "localhost") -> Path:
    """A self-signed certificate with its key, in one file."""
    path = folder / "mail.pem"
    path.write_bytes(self_signed(host))
    return path
