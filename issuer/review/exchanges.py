"""Tokens that are exchanged for others (RFC 8693): reports do not tell which one for which.

A token that was got by exchange allows no more than the one that was exchanged for it. So a scope
that was used with the new token may have been needed in the first one as well, at its audience.
"""

from collections.abc import Iterable, Iterator

from issuer.review.store import UsedScope
from issuer.vocabulary import MAX_ACTORS


class Exchanges:
    """For which audiences tokens may be exchanged, also by several exchanges in a row.

    Each of the `rules`: a client, the audience of tokens that it may exchange, and that of the
    tokens that it gets for them.
    """

    def __init__(self, rules: Iterable[tuple[str, str, str]]) -> None:
        rules = [*rules]
        self.clients = {client_id for client_id, _, _ in rules}
        self._at = {(client_id, end) for client_id, _, end in rules}
        steps = {(start, end) for _, start, end in rules}
        self._starts = {start for start, _ in steps}
        self._ends = steps
        for _ in range(MAX_ACTORS - 1):
            self._ends = self._ends | {
                (start, end) for start, a in self._ends for b, end in steps if a == b
            }

    def ends_of(self, audience: str) -> list[str]:
        """The audiences for which tokens for this one may be exchanged."""
        return sorted(end for start, end in self._ends if start == audience)

    def needs_by_audience(self, used: Iterable[UsedScope]) -> dict[str, set[str]]:
        """By audience, the scopes among `used` that may have been needed with tokens for it."""
        allowed = [(each.audience, each.scope) for each in used if each.allowed]
        return {
            start: {scope for end, scope in allowed if (start, end) in self._ends}
            for start in self._starts
        }

    def uses_by(self, client_id: str, used: Iterable[UsedScope]) -> Iterator[UsedScope]:
        """What the client may have used with tokens that it got by exchange."""
        return (each for each in used if (client_id, each.audience) in self._at)
