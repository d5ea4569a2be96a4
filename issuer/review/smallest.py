"""The narrowest scopes that cover what was used."""

from collections.abc import Iterable

from issuer.scopes import AGENT_OS_ADMIN, covers, meet


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
