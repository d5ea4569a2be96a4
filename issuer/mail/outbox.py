"""Messages of one transaction, within bounds for each user and address in all processes."""

import hmac
from datetime import timedelta

from issuer.clock import Clock
from issuer.database import Session
from issuer.database.store import insert_new
from issuer.database.tables import UsedChallengeRow
from issuer.errors import IssuerError
from issuer.fields.mail_addresses import can_receive_mail
from issuer.mail.messages import MailMessage

MOST_TO_A_USER = 5  # of each kind
MOST_TO_AN_ADDRESS = 20
PERIOD = timedelta(hours=1)


class NotSent(IssuerError):
    """Why a message is not sent, as a sentence. It may be later, where it `is_passing`."""

    def __init__(self, sentence: str, *, is_passing: bool = False) -> None:
        super().__init__(sentence)
        self.is_passing = is_passing


class Outbox:
    """Takes messages; whoever commits the transaction hands them to a `Mailer` then.

    Messages are counted as used challenges are: a row for each, with a keyed digest of whom it is
    to, of the hour and of its number, until the hour is over.
    """

    def __init__(self, session: Session, clock: Clock, key: bytes) -> None:
        self._session = session
        self._clock = clock
        self._key = key
        self.messages: list[MailMessage] = []

    def add(self, message: MailMessage) -> None:
        """Take the message; `NotSent` for an unusable address, or after too many messages."""
        if not can_receive_mail(message.to):
            raise NotSent("The address cannot receive mail.")
        to_user = f"user {message.kind} {message.user_id}"
        to_address = f"address {message.to.casefold()}"
        if not self._count(to_user, MOST_TO_A_USER):
            raise NotSent("The user was sent as many messages of this kind as an hour allows.")
        if not self._count(to_address, MOST_TO_AN_ADDRESS):
            raise NotSent("The address was sent as many messages as an hour allows.")
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
