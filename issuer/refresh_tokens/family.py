"""What a family of refresh tokens is."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """`idle` since the last use, `longest` since the first token."""

    idle: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Family:
    """A refresh token and all that follow it (RFC 6749 §6, RFC 9700 §4.14.2).

    `scopes` are the most any of them may give. `handle` is what every token of the family names;
    `digest` is of the newest, which was made at `rotated_at`, with `salt` from the one before,
    for a request that is told by `asked`. `id` is the `sid` of its access tokens, the last of
    which expires at `access_until`.
    """

    id: str
    client_id: str
    user_id: str
    audience_id: str
    scopes: frozenset[str]
    session_id: str | None
    created_at: datetime
    rotated_at: datetime
    access_until: datetime
    handle: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    salt: bytes | None = field(default=None, repr=False)
    asked: bytes | None = field(default=None, repr=False)

    def expires_at(self, lifetimes: Lifetimes) -> datetime:
        """When its newest token can no longer be used, if it is not used before."""
        return min(self.rotated_at + lifetimes.idle, self.created_at + lifetimes.longest)
