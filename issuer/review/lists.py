"""Lists of agents, teams and workflows, which show whatever the caller may read."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from issuer.review.store import UsedScope
from issuer.scopes import covers

_LISTS = ("agents:read", "teams:read", "workflows:read")


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
