"""How large the revocation feed may become, and how much of it a client may fill: pure.

A verifier refuses a feed of more than 16 MiB or 500,000 entries, and then every token. As bytes of
JSON, of which base64url makes a third more:

| part | at most | bytes each | together |
|---|---|---|---|
| tokens and refresh families | 100,000 | 40 + 16 | 5.6 MB |
| users, clients, audiences | | id + 16 | 6.0 MB |
| signing keys | 10,000 | 43 + 3 | 0.5 MB |
"""

from dataclasses import dataclass

# Quotes, colon, comma, and the seconds: ten digits until the year 2286.
ENTRY_BYTES = 16
# A quarter of the room that is left: one client alone gets a fifth of the whole, and however many
# fill their share, some room is left for the next.
_PART = 4


@dataclass(frozen=True, slots=True)
class Listed:
    """How many tokens and families are listed: all, of one client, of one subject of it."""

    all: int
    of_client: int
    of_subject: int


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """`principal_bytes` are for entries of users, clients and audiences.

    Operators get seven eighths of them. The rest is for users whose client filled its share.
    """

    tokens: int = 100_000
    principal_bytes: int = 6_000_000

    @property
    def principal_bytes_of_operators(self) -> int:
        return self.principal_bytes * 7 // 8

    def remaining(self, listed: Listed, *, is_own: bool) -> int:
        """How many more may be listed for the client and the subject, or for operators.

        A subject of a client gets a quarter of what is left for the client, so that no user can
        fill the share of the others. Adding as many never takes `listed.all` over `tokens`.
        """
        of_client = _more(self.tokens - listed.all, listed.of_client)
        return _more(of_client, listed.of_subject) if is_own else of_client


LIMITS = FeedLimits()


def _more(left: int, had: int) -> int:
    """How many more, so that what one has then is at most a quarter of what is left before."""
    return max(0, left // _PART - had)
