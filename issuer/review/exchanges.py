"""What was needed: through exchanges of tokens and in lists, and the narrowest scopes for it."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from issuer.review.store import UsedScope
from issuer.scopes import AGENT_OS_ADMIN, covers, meet
from issuer.vocabulary import MAX_ACTORS

_LISTS = ("agents:read", "teams:read", "workflows:read")


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
            more = {(start, end) for start, a in self._ends for b, end in steps if a == b}
            self._ends = self._ends | more

    def ends_of(self, audience: str) -> list[str]:
        """The audiences for which tokens for this one may be exchanged."""
        return sorted(end for start, end in self._ends if start == audience)

    def needs_by_audience(self, used: Iterable[UsedScope]) -> dict[str, set[str]]:
        """By audience, the scopes among `used` that may have been needed with tokens for it."""
        allowed = [(each.audience, each.scope) for each in used if each.allowed]
        ends = self._ends
        return {at: {scope for to, scope in allowed if (at, to) in ends} for at in self._starts}

    def uses_by(self, client_id: str, used: Iterable[UsedScope]) -> Iterator[UsedScope]:
        """What the client may have used with tokens that it got by exchange."""
        return (each for each in used if (client_id, each.audience) in self._at)


def smallest(held: Iterable[str], used: Iterable[str]) -> frozenset[str]:
    """The narrowest scopes that allow what was used, and nothing that is not held.

    None of them covers another.
    """
    both = meet(held, used)
    chosen: set[str] = set()
    for scope in sorted(both, key=_breadth):
        if not covers(chosen, scope):
            chosen.add(scope)
    return frozenset(chosen)


def _breadth(scope: str) -> tuple[bool, bool, str]:
    """Scopes that cover others come first."""
    parts = scope.split(":")
    has_id = len(parts) > 2 and parts[1] != "*"  # noqa: PLR2004
    return scope != AGENT_OS_ADMIN, has_id, scope


def without_lists(held: Collection[str], used: Collection[UsedScope]) -> Iterator[UsedScope]:
    """`used` at one audience, with each list replaced by the held scopes for what was used in it.

    A verifier counts `agents:read` for a list, which says of no agent that it was needed. It counts
    for each `agents:ID:read` of `held` whose agent was used by its id, in whatever way. If there is
    no such one, or if every agent may be read, it counts as it is: for all of them.
    """
    of_lists: dict[str, set[str]] = {name: set() for name in _LISTS}
    for use in used:
        family, *names = use.scope.split(":")
        if use.allowed and len(names) == len(("id", "action")) and f"{family}:read" in of_lists:
            of_lists[f"{family}:read"].add(f"{family}:{names[0]}:read")
    for use in used:
        scopes = of_lists.get(use.scope, set()).intersection(held)
        if not scopes or covers(held, use.scope):
            yield use
        else:
            yield from (replace(use, scope=scope) for scope in sorted(scopes))


def has_lists(used: Collection[UsedScope]) -> bool:
    return any(each.scope in _LISTS for each in used)
