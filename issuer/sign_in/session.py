"""A session: a person signed in at this issuer, in one browser."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

SECOND_FACTOR_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class SessionLifetimes:
    """A session expires `idle` after its last use, and `longest` after its beginning."""

    idle: timedelta
    longest: timedelta


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

    def is_active(self, lifetimes: SessionLifetimes, now: datetime) -> bool:
        """Whether it has not expired."""
        if self.second_factor_due:
            return now < self.created_at + SECOND_FACTOR_WITHIN
        return now < min(self.used_at + lifetimes.idle, self.created_at + lifetimes.longest)
