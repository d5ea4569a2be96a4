"""Links about a user that are sent by mail, within one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from issuer.mail import Outbox, Texts
from issuer.resources import WithinTransaction
from issuer.sign_in.link_tokens import LinkTokens
from issuer.users.store import UserStore
from issuer.users.users import Users


@dataclass(eq=False, repr=False)
class MailedLinks(WithinTransaction):
    """`_outbox` is None where there is no mail server."""

    _users: Users
    _links: LinkTokens
    _issuer: str
    _outbox: Outbox | None
    _texts: Texts

    def __post_init__(self) -> None:
        super().__post_init__()
        self._store = UserStore(self._session)

    def _link(
        self, path: str, about: str, lifetime: timedelta, state: Sequence[object]
    ) -> tuple[str, datetime]:
        """A link to that page, and when it expires: in whole seconds, as the link has it."""
        expires_at = (self._clock() + lifetime).replace(microsecond=0)
        return f"{self._issuer}{path}/{self._links.make(about, expires_at, state)}", expires_at
