"""The limits of the revocation feed, and the share that one client may fill. Pure functions.

A verifier refuses a feed of more than 16 MiB or 500,000 entries, and then refuses every token.
Bytes of JSON (base64url adds a third):

| entries | at most | bytes each | together |
|---|---|---|---|
| tokens and refresh families | 100,000 | 40 + 16 | 5.6 MB |
| users, clients, audiences | | id + 16 | 6.0 MB |
| signing keys | 10,000 | 43 + 3 | 0.5 MB |
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """The claims of an access token that a revocation can apply to."""

    jti: str
    sid: str | None
    subject: str
    client_id: str
    audience: str
    issued_at: datetime


# Quotes, colon, comma, and the seconds: ten digits until the year 2286.
ENTRY_BYTES = 16
# A quarter of the remaining space: a single client gets a fifth of the whole, and however many
# clients fill their share, some space remains for the next one.
_DIVISOR = 4


@dataclass(frozen=True, slots=True)
class Listed:
    """Numbers of listed tokens and families: all, of one client, of one subject of that client."""

    all: int
    of_client: int
    of_subject: int


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """`tokens`: tokens and families; `principal_bytes`: entries of users, clients and audiences.

    Operators may use seven eighths of the bytes. Half of the rest is for users whose client filled
    its share, half for operators with `issuer:admin`, who may use everything.
    """

    tokens: int = 100_000
    principal_bytes: int = 6_000_000

    @property
    def principal_bytes_of_operators(self) -> int:
        return self.principal_bytes * 7 // 8

    @property
    def principal_bytes_of_users(self) -> int:
        return self.principal_bytes * 15 // 16

    def remaining(self, listed: Listed, *, is_own: bool) -> int:
        """How many more may be listed for the client and the subject, or for operators.

        A subject of a client gets a quarter of what remains for the client, so that no user can
        fill the share of the others. Adding that many keeps `listed.all` within `tokens`.
        """
        of_client = _more(self.tokens - listed.all, listed.of_client)
        return _more(of_client, listed.of_subject) if is_own else of_client


LIMITS = FeedLimits()


def _more(remaining: int, used: int) -> int:
    """How many more, so that the total is at most a quarter of `remaining`."""
    return max(0, remaining // _DIVISOR - used)
