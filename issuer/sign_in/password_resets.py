"""Password resets: a link, sent to the verified address of a user, sets another password.

Nothing is stored: the link holds a digest of the user, so any change ends it. None is for users
with rights at the issuer: somebody without `issuer:admin` may have set the address.
"""

import base64
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from issuer.authority import Grantor
from issuer.database.tables import UserRow
from issuer.errors import NotAllowed
from issuer.fields.fields import can_receive_mail
from issuer.mail import NotSent, Outbox, Texts
from issuer.resources import WithinTransaction
from issuer.users.passwords import NewPassword
from issuer.users.store import UserStore
from issuer.users.users import Users
from issuer.vocabulary import GivenAs

LIFETIME = timedelta(minutes=30)
MOST_OF_AN_ADDRESS = 5  # users, each with a link of its own
_DIGEST_BYTES, _TIME_BYTES = 32, 6


@dataclass(frozen=True, slots=True)
class PasswordReset:
    user_id: str
    username: str
    expires_at: datetime


@dataclass(eq=False, repr=False)
class PasswordResets(WithinTransaction):
    """Links to reset passwords, within one transaction."""

    _users: Users
    _key: bytes
    _issuer: str
    _outbox: Outbox | None
    _texts: Texts

    def __post_init__(self) -> None:
        super().__post_init__()
        self._store = UserStore(self._session)

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
        read = _read(token)
        if read is None:
            return None
        digest, expires_at, user_id = read
        row = self._store.find(user_id)
        if row is None or not hmac.compare_digest(digest, self._digest(row, expires_at)):
            return None
        if expires_at <= self._clock() or self._why_not(row):
            return None
        return PasswordReset(row.id, row.username, expires_at)

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
        # Not rounded up: the link names whole seconds.
        expires_at = (self._clock() + LIFETIME).replace(microsecond=0)
        seconds = int(expires_at.timestamp()).to_bytes(_TIME_BYTES)
        text = self._digest(row, expires_at) + seconds + row.id.encode()
        token = base64.urlsafe_b64encode(text).decode().rstrip("=")
        link = f"{self._issuer}/password-reset/{token}"
        message = self._texts.password_reset(row.id, row.username, row.email, link, expires_at)
        try:
            self._outbox.add(message)
        except NotSent as error:
            return str(error)
        return ""

    def _note_request(self, user_id: str | None, reason: str) -> None:
        details = {"reason": reason} if reason else {}
        self._trail.note("password_reset.requested", user_id, sent=not reason, **details)

    def _digest(self, row: UserRow, expires_at: datetime) -> bytes:
        """A digest of what the link is for: another version of the user has another one."""
        of_user = [row.id, row.version, row.password_hash, row.email, row.verified_email]
        text = json.dumps([int(expires_at.timestamp()), *of_user])
        return hmac.digest(self._key, text.encode(), "sha256")


def _read(token: str) -> tuple[bytes, datetime, str] | None:
    """Digest, end and user id that the token names; None if it has another form."""
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        digest, rest = decoded[:_DIGEST_BYTES], decoded[_DIGEST_BYTES:]
        seconds, user_id = int.from_bytes(rest[:_TIME_BYTES]), rest[_TIME_BYTES:].decode()
        return digest, datetime.fromtimestamp(seconds, UTC), user_id
    except (ValueError, OverflowError, OSError):
        return None
