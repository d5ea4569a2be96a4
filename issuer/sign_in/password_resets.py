"""Password resets: a link, sent to the verified address of a user, sets another password.

Nothing is stored: the link holds a digest of the user, so any change ends it. None is for users
with rights at the issuer: somebody without `issuer:admin` may have set the address.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from issuer.authority import Grantor
from issuer.database.tables import UserRow
from issuer.errors import NotAllowed
from issuer.fields.fields import can_receive_mail
from issuer.mail import NotSent
from issuer.sign_in.mailed_links import MailedLinks
from issuer.users.passwords import NewPassword
from issuer.vocabulary import GivenAs

LIFETIME = timedelta(minutes=30)
MOST_OF_AN_ADDRESS = 5  # users, each with a link of its own


@dataclass(frozen=True, slots=True)
class PasswordReset:
    user_id: str
    username: str
    expires_at: datetime


class PasswordResets(MailedLinks):
    """Links to reset passwords, within one transaction."""

    def request(self, name: str) -> None:
        """Send a link to each user of this name or verified address that may have one; audited."""
        rows = list(self._user_named(name))
        for row in rows:
            reason = self._why_not(row) or self._send(row)
            self._note_request(row.id, reason)
        if not rows:
            self._note_request(None, "unknown user")

    def find(self, token: str) -> PasswordReset | None:
        """The reset of that token, unless it has expired, or the user has changed. Reads only."""
        read = self._links.read(token)
        row = self._store.find(read.about) if read else None
        if read is None or row is None:
            return None
        if not self._links.is_valid(read, _state(row), self._clock()) or self._why_not(row):
            return None
        return PasswordReset(row.id, row.username, read.expires_at)

    def complete(self, token: str, password: NewPassword) -> None:
        """Set the password, once, as given by others; `NotAllowed` if the link does not work."""
        reset = self.find(token)
        if reset is None:
            raise NotAllowed("The link has expired, or was used already.")
        given = Grantor(None, GivenAs.OTHER)
        self._users.set_password(reset.user_id, password, grantor=given)
        self._trail.note("password_reset.completed", reset.user_id)

    def _user_named(self, name: str) -> Iterator[UserRow]:
        by_name = self._store.find_by_username(name)
        if by_name is not None:
            yield by_name
        if can_receive_mail(name):
            for row in self._store.with_verified_email(name, MOST_OF_AN_ADDRESS):
                if row is not by_name:
                    yield row

    def _why_not(self, row: UserRow) -> str:
        """Why this user gets no link; empty for one who does."""
        if row.disabled:
            return "disabled user"
        if row.password_hash is None:
            return "no password"
        if not row.email_verified:
            return "no verified address"
        return "rights at the issuer" if self._authority.holds_rights(row.id) else ""

    def _send(self, row: UserRow) -> str:
        if self._outbox is None or row.email is None:
            return "mail is off"
        link, expires_at = self._link("/password-reset", row.id, LIFETIME, _state(row))
        texts = self._texts.for_reader(row.language)
        message = texts.password_reset(row.id, row.username, row.email, link, expires_at)
        try:
            self._outbox.add(message)
        except NotSent as error:
            return str(error)
        return ""

    def _note_request(self, user_id: str | None, reason: str) -> None:
        details = {"reason": reason} if reason else {}
        self._trail.note("password_reset.requested", user_id, sent=not reason, **details)


def _state(row: UserRow) -> list[object]:
    """What the link is for: another version of the user has another one."""
    return [row.id, row.version, row.password_hash, row.email, row.verified_email]
