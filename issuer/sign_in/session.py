"""A session: a person signed in at this issuer, in one browser."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from issuer.refresh_tokens import Lifetimes

SECOND_FACTOR_WITHIN = timedelta(minutes=10)
_MAX_USER_AGENT = 255


class SignInSession(BaseModel):
    """`methods` are authentication methods (RFC 8176), used at `authenticated_at`.

    With `second_factor_due` the password was right, and nothing else is proven: such a session is
    good for the page that asks for the second factor only.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    user_id: str
    created_at: datetime
    authenticated_at: datetime
    used_at: datetime
    methods: tuple[str, ...]
    address: str | None
    user_agent: str | None
    second_factor_due: bool = False

    def is_active(self, lifetimes: Lifetimes, now: datetime) -> bool:
        """Whether it has not expired."""
        if self.second_factor_due:
            return now < self.created_at + SECOND_FACTOR_WITHIN
        return now < lifetimes.end(self.created_at, self.used_at)

    def continuing(self, earlier: "SignInSession") -> "SignInSession":
        """A newer sign-in as part of the session that the browser had."""
        return self.model_copy(update={"id": earlier.id, "created_at": earlier.created_at})


def active(
    sessions: Iterable[SignInSession], lifetimes: Lifetimes, now: datetime
) -> list[SignInSession]:
    return [each for each in sessions if each.is_active(lifetimes, now)]


def bounded(user_agent: str | None) -> str | None:
    """Text from outside, as both databases can keep it."""
    if user_agent is None:
        return None
    return "".join(c for c in user_agent if c.isprintable())[:_MAX_USER_AGENT]
