"""A family of refresh tokens."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """A token expires `idle` after the last use, a family `longest` after its first token."""

    idle: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Family:
    """A refresh token and its successors (RFC 6749 §6, RFC 9700 §4.14.2).

    `scopes` is the upper bound for its access tokens. `handle` is derived from the part that all
    tokens of the family share. `digest` is of the newest token, created at `rotated_at` from its
    predecessor and `salt`, for the request whose digest is `asked`. `id` is the `sid` of its
    access tokens, the last of which expires at `access_until`. `session_id` is a claim that the
    client chose, `sign_in_session` the session in which the user signed in, if in one.
    """

    id: str
    client_id: str
    user_id: str
    audience_id: str
    scopes: frozenset[str]
    openid_scopes: frozenset[str]
    session_id: str | None
    sign_in_session: str | None
    created_at: datetime
    rotated_at: datetime
    access_until: datetime
    handle: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    salt: bytes | None = field(default=None, repr=False)
    asked: bytes | None = field(default=None, repr=False)

    def expires_at(self, lifetimes: Lifetimes) -> datetime:
        """When its newest token expires, unless it is used before."""
        return min(self.rotated_at + lifetimes.idle, self.created_at + lifetimes.longest)
