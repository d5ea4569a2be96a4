"""The messages: plain text, in which nothing from outside can begin a line or a header."""

from dataclasses import dataclass, field
from datetime import datetime

from issuer.fields.text import escaped
from issuer.fields.times import utc
from issuer.fields.user_agents import browser_name
from issuer.telemetry.metrics import INVITATION, NEW_PLACE, PASSWORD_RESET, TEST

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

    def invitation(
        self, user_id: str, username: str, to: str, link: str, expires_at: datetime
    ) -> MailMessage:
        """With the link that sets a first password or passkey."""
        text = f"""\
You are invited to sign in at {self.url}.
Your user name: {_name(username)}

Set a password or a passkey with this link. It works once, until {utc(expires_at)}:

{link}

Whoever has the link can use it: do not pass it on. If you did not expect this message, ignore it.
"""
        return MailMessage(INVITATION, user_id, to, f"Invitation to {self.name}", text)

    def password_reset(
        self, user_id: str, username: str, to: str, link: str, expires_at: datetime
    ) -> MailMessage:
        """With the link that sets another password."""
        text = f"""\
Somebody asked for a new password at {self.url}.
User name: {_name(username)}

If that was you, set it with this link. It works once, until {utc(expires_at)}:

{link}

It signs you out everywhere. A second factor stays, and is asked for when you sign in.
If it was not you, ignore this message: your password has not been changed.
"""
        return MailMessage(PASSWORD_RESET, user_id, to, f"New password for {self.name}", text)

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
        browser = f"Browser: {browser_name(user_agent)}\n" if user_agent else ""
        text = f"""\
Somebody signed in at {self.url} from an address that is new for this account.

User name: {_name(username)}
Time: {utc(at)}
Address: {_name(address)}
{browser}
If that was you, there is nothing to do.
If not, set another password, which ends all sessions, and look at your second factors:

{self.url}/account
"""
        return MailMessage(NEW_PLACE, user_id, to, f"New sign-in at {self.name}", text)

    def test(self, to: str) -> MailMessage:
        """To see whether messages arrive."""
        text = f"This is a test message of {self.url}. It asks for nothing.\n"
        return MailMessage(TEST, None, to, f"Test message of {self.name}", text)


def _name(text: str) -> str:
    return escaped(text)[:_MAX_NAME]
