"""The messages: plain text, in which nothing from outside begins a line or header; their bounds."""

import hmac
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self

from issuer.clock import Clock
from issuer.database import Session
from issuer.database.store import insert_new
from issuer.database.tables import UsedChallengeRow
from issuer.errors import IssuerError
from issuer.fields.fields import can_receive_mail
from issuer.fields.text import escape
from issuer.languages import N_, SOURCE, in_language
from issuer.languages.catalogues import browser_name, date_and_time
from issuer.telemetry.metrics import (
    ADDRESS_CHANGED,
    INVITATION,
    NEW_ADDRESS,
    NEW_PLACE,
    PASSWORD_RESET,
    TEST,
)

MOST_TO_A_USER = 5  # of each kind
MOST_TO_AN_ADDRESS = 20
PERIOD = timedelta(hours=1)
_MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class MailMessage:
    """A message to one address. Its text may hold a link that is a credential: never log it."""

    kind: str
    user_id: str | None
    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class Texts:
    """The messages of the issuer at `url`; `name` is what subjects call it."""

    url: str
    name: str
    language: str = SOURCE

    def for_reader(self, language: str | None) -> Self:
        """In the language of whoever reads them, if that is known."""
        return replace(self, language=language) if language else self

    def invitation(
        self,
        user_id: str,
        username: str,
        to: str,
        link: str,
        expires_at: datetime,
        invited_by: str = "",
    ) -> MailMessage:
        """With the link that sets a first password or passkey."""
        _ = in_language(self.language)
        who = _("%(name)s invites you.\n\n", name=_name(invited_by)) if invited_by else ""
        text = who + _(
            """\
You are invited to sign in at %(url)s.
Your user name: %(username)s

Set a password or a passkey with this link. It works once, until %(time)s:

%(link)s

Whoever has the link can use it: do not pass it on. If you did not expect this message, ignore it.
""",
            url=self.url,
            username=_name(username),
            time=date_and_time(expires_at, _),
            link=link,
        )
        subject = _("Invitation to %(issuer)s", issuer=self.name)
        return MailMessage(INVITATION, user_id, to, subject, text)

    def password_reset(
        self, user_id: str, username: str, to: str, link: str, expires_at: datetime
    ) -> MailMessage:
        """With the link that sets another password."""
        _ = in_language(self.language)
        text = _(
            """\
Somebody asked for a new password at %(url)s.
User name: %(username)s

If that was you, set it with this link. It works once, until %(time)s:

%(link)s

It signs you out everywhere. A second factor stays, and is asked for when you sign in.
If it was not you, ignore this message: your password has not been changed.
""",
            url=self.url,
            username=_name(username),
            time=date_and_time(expires_at, _),
            link=link,
        )
        subject = _("New password for %(issuer)s", issuer=self.name)
        return MailMessage(PASSWORD_RESET, user_id, to, subject, text)

    def new_address(
        self, user_id: str, username: str, to: str, link: str, expires_at: datetime
    ) -> MailMessage:
        """With the link that confirms it."""
        _ = in_language(self.language)
        text = _(
            """\
This is to be the address of an account at %(url)s.
User name: %(username)s

If you asked for that, confirm it with this link. It works once, until %(time)s:

%(link)s

If you did not, ignore this message: nothing has been changed.
""",
            url=self.url,
            username=_name(username),
            time=date_and_time(expires_at, _),
            link=link,
        )
        subject = _("Your new address at %(issuer)s", issuer=self.name)
        return MailMessage(NEW_ADDRESS, user_id, to, subject, text)

    def address_changed(self, user_id: str, username: str, to: str) -> MailMessage:
        """To the address that was that of the account before."""
        _ = in_language(self.language)
        text = _(
            """\
An account at %(url)s has another address now, and this one no longer belongs to it.
User name: %(username)s

If you changed it, there is nothing to do. If not, tell whoever runs %(url)s.
""",
            url=self.url,
            username=_name(username),
        )
        subject = _("Your address at %(issuer)s was changed", issuer=self.name)
        return MailMessage(ADDRESS_CHANGED, user_id, to, subject, text)

    def new_place(
        self,
        user_id: str,
        username: str,
        to: str,
        at: datetime,
        address: str,
        user_agent: str | None,
    ) -> MailMessage:
        """About a sign-in from an address that is new for the user."""
        _ = in_language(self.language)
        text = _(
            """\
Somebody signed in at %(url)s from an address that is new for this account.

User name: %(username)s
Time: %(time)s
Address: %(address)s
Browser: %(browser)s

If that was you, there is nothing to do.
If not, set another password, which ends all sessions, and look at your second factors:

%(url)s/account
""",
            url=self.url,
            username=_name(username),
            time=date_and_time(at, _),
            address=_name(address),
            browser=browser_name(user_agent, _),
        )
        subject = _("New sign-in at %(issuer)s", issuer=self.name)
        return MailMessage(NEW_PLACE, user_id, to, subject, text)

    def test(self, to: str) -> MailMessage:
        """To see whether messages arrive."""
        _ = in_language(self.language)
        text = _("This is a test message of %(url)s. It asks for nothing.\n", url=self.url)
        return MailMessage(TEST, None, to, _("Test message of %(issuer)s", issuer=self.name), text)


def _name(text: str) -> str:
    return escape(text)[:_MAX_NAME]


class NotSent(IssuerError):
    """Why a message is not sent, as a sentence. It may be later, where it `is_passing`."""

    def __init__(self, sentence: str, *, is_passing: bool = False) -> None:
        super().__init__(sentence)
        self.is_passing = is_passing


class Outbox:
    """Takes messages; whoever commits the transaction hands them to a `Mailer` then.

    Messages are counted in an hour by user and address, as used challenges are: a row for each.
    """

    def __init__(self, session: Session, clock: Clock, key: bytes) -> None:
        self._session = session
        self._clock = clock
        self._key = key
        self.messages: list[MailMessage] = []

    def add(self, message: MailMessage) -> None:
        """Take the message; `NotSent` for an unusable address, or after too many messages."""
        if not can_receive_mail(message.to):
            raise NotSent(N_("The address cannot receive mail."))
        to_user = f"user {message.kind} {message.user_id}"
        to_address = f"address {message.to.casefold()}"
        if not self._count(to_user, MOST_TO_A_USER):
            raise NotSent(N_("The user was sent as many messages of this kind as an hour allows."))
        if not self._count(to_address, MOST_TO_AN_ADDRESS):
            raise NotSent(N_("The address was sent as many messages as an hour allows."))
        self.messages.append(message)

    def is_first(self, about: str, period: timedelta) -> bool:
        """Whether this was not asked before in the current period, by any process."""
        return self._is_new(about, period, 0)

    def _count(self, what: str, most: int) -> bool:
        return any(self._is_new(what, PERIOD, number) for number in range(most))

    def _is_new(self, about: str, period: timedelta, number: int) -> bool:
        now, seconds = self._clock(), int(period.total_seconds())
        window = int(now.timestamp()) // seconds
        text = f"{seconds} {window} {number} {about}"
        digest = hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256")
        row = {"digest": digest, "expires_at": now + period}
        return insert_new(self._session, UsedChallengeRow, row)
