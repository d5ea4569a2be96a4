"""Lists of agents, teams and workflows, which show whatever the caller may read."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from issuer.review.store import UsedScope
from issuer.scopes import covers

_LISTS = {f"{family}:read": family for family in ("agents", "teams", "workflows")}
_WITH_ID = 3  # parts of a scope


def without_lists(held: Collection[str], used: Collection[UsedScope]) -> Iterator[UsedScope]:
    """`used` at one audience, with each list replaced by the held scopes for what was used in it.

    A verifier counts `agents:read` for a list, which says of no agent that it was needed. It counts
    for each `agents:ID:read` of `held` whose agent was used by its id, in whatever way. If there is
    no such one, or if every agent may be read, it counts as it is: for all of them.
    """
    for each in used:
        family = _LISTS.get(each.scope)
        if family is None or covers(held, each.scope):
            yield each
        else:
            parts = [u.scope.split(":") for u in used if u.allowed]
            ids = {part[1] for part in parts if len(part) == _WITH_ID and part[0] == family}
            read = sorted({f"{family}:{id_}:read" for id_ in ids}.intersection(held))
            yield from (replace(each, scope=scope) for scope in read) if read else (each,)


def has_lists(used: Collection[UsedScope]) -> bool:
    return any(each.scope in _LISTS for each in used)
