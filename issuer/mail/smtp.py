"""An SMTP server that accepts messages (RFC 5321), by TLS (RFC 3207, RFC 8314)."""

import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cached_property
from ipaddress import IPv4Address
from random import Random
from urllib.parse import unquote, urlsplit

from issuer.certificates import accepted_certificates
from issuer.clock import Clock
from issuer.fields.fields import read_sender
from issuer.fields.secret_text import random_characters
from issuer.mail.messages import MailMessage, NotSent
from issuer.settings import Settings, is_loopback

SECONDS_TO_ANSWER = 10.0
SECONDS_IN_ALL = 60.0
_PORTS = {"smtp": 587, "smtps": 465}
_ACCEPTED, _PERMANENT = 250, 500
_MAX_REASON = 300
_ID_CHARACTERS = 32
_POLICY = policy.SMTP.clone(cte_type="7bit")  # for servers without 8BITMIME


class SmtpServer:
    """The server of `ISSUER_SMTP_URL`. Each message has a connection of its own.

    Without TLS only by `disable_starttls`, and on loopback without an authority.
    """

    def __init__(self, settings: Settings, clock: Clock, random: Random) -> None:
        assert settings.smtp_url is not None
        assert settings.smtp_from is not None
        url = urlsplit(settings.smtp_url.get_secret_value())
        assert url.hostname is not None  # the settings are checked
        self._host, self._port = url.hostname, url.port or _PORTS[url.scheme]
        self._is_tls_first = url.scheme == "smtps"
        self._user, self._password = unquote(url.username or ""), unquote(url.password or "")
        self._sender, self._sender_address = read_sender(settings.smtp_from)
        self._own_name = _name_in_greetings(urlsplit(settings.url).hostname or "localhost")
        self._authority = settings.smtp_ca
        self._clock = clock
        self._random = random
        self.name = f"{url.scheme}://{self._host}:{self._port}"
        self.is_here = is_loopback(self._host)
        is_plain = bool(url.query) or (self.is_here and self._authority is None)
        self.is_encrypted = self._is_tls_first or not is_plain
        if self._authority is not None:
            _ = self._certificates  # so that an unusable file is noticed at the start

    def send(self, message: MailMessage) -> None:
        """Hand the message to the server; `NotSent` if it does not accept it."""
        with self._connect(hidden=message.to) as connection:
            connection.send_message(self._compose(message), self._sender_address, [message.to])

    def check(self) -> str:
        """What the server answers, as a sentence; `NotSent`. No message is sent."""
        with self._connect() as connection:
            code, answer = connection.mail(self._sender_address)
            if code != _ACCEPTED:
                raise smtplib.SMTPSenderRefused(code, answer, self._sender_address)
            connection.rset()
            secured = getattr(connection.sock, "version", lambda: None)()
            by = f" by {secured}" if secured else ""
            return f"It accepts the sender{by}. No message was sent."

    @contextmanager
    def _connect(self, hidden: str = "") -> Iterator[smtplib.SMTP]:
        """A connection, for a minute at most. Errors do not name the address `hidden`."""
        connection: smtplib.SMTP | None = None
        is_late = threading.Event()

        def cut() -> None:
            is_late.set()
            if connection is not None and connection.sock is not None:
                with suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(SECONDS_IN_ALL, cut)
        timer.daemon = True
        timer.start()
        try:
            connection = self._open()
            self._authenticate(connection)
            yield connection
        except (OSError, smtplib.SMTPException, ValueError) as error:
            reason = "the server was too slow" if is_late.is_set() else _reason(error)
            if hidden:
                reason = re.sub(re.escape(hidden), "the address", reason, flags=re.IGNORECASE)
            raise NotSent(f"{self.name}: {reason}.", is_passing=_is_passing(error)) from None
        finally:
            timer.cancel()
            if connection is not None:
                with suppress(OSError, smtplib.SMTPException):
                    connection.quit()
                connection.close()

    def _open(self) -> smtplib.SMTP:
        where = (self._host, self._port, self._own_name)
        if not self._is_tls_first:
            return smtplib.SMTP(*where, timeout=SECONDS_TO_ANSWER)
        return smtplib.SMTP_SSL(*where, timeout=SECONDS_TO_ANSWER, context=self._certificates)

    def _authenticate(self, connection: smtplib.SMTP) -> None:
        connection.ehlo_or_helo_if_needed()
        if self.is_encrypted and not self._is_tls_first:
            connection.starttls(context=self._certificates)
        if self._user:
            connection.login(self._user, self._password)

    def _compose(self, message: MailMessage) -> EmailMessage:
        """Nobody answers it, and no vacation notice should (RFC 3834 §5)."""
        email = EmailMessage(_POLICY)
        _, domain = self._sender_address.rsplit("@", 1)
        username, of = message.to.rsplit("@", 1)
        email["From"] = Address(self._sender, addr_spec=self._sender_address)
        email["To"] = Address(username=username, domain=of)
        email["Subject"] = message.subject
        email["Date"] = format_datetime(self._clock())
        email["Message-ID"] = f"<{random_characters(self._random, _ID_CHARACTERS)}@{domain}>"
        email["Auto-Submitted"] = "auto-generated"
        email["X-Auto-Response-Suppress"] = "All"
        email.set_content(message.text)
        return email

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        return accepted_certificates(self._authority, "ISSUER_SMTP_CA")


def _name_in_greetings(host: str) -> str:
    """The host; an address (no URL of ours has one of IPv6) as a literal (RFC 5321 §4.1.3)."""
    try:
        return f"[{IPv4Address(host)}]"
    except ValueError:
        return host


def _is_passing(error: Exception) -> bool:
    """Whether another attempt may succeed (RFC 5321 §4.2.1): no answer, or one of 4yz."""
    if isinstance(error, smtplib.SMTPNotSupportedError | ValueError):
        return False
    return all(code < _PERMANENT for code, _ in _answers(error))


def _answers(error: Exception) -> list[tuple[int, bytes | str]]:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return [*error.recipients.values()]
    if isinstance(error, smtplib.SMTPResponseException):
        return [(error.smtp_code, error.smtp_error)]
    return []


def _reason(error: Exception) -> str:
    """Why it was not accepted, on one line."""
    found = [f"{code} {_decode(text)}" for code, text in _answers(error)]
    if not found:
        verification = getattr(error, "verify_message", "")
        found = [verification or getattr(error, "strerror", None) or str(error) or "no answer"]
    line = " ".join("; ".join(found).split())
    return "".join(each if each.isprintable() else "?" for each in line)[:_MAX_REASON].rstrip(".")


def _decode(text: bytes | str) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
