"""Suggestions for scopes that no AgentOS version has."""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache

from issuer.catalogue.catalogue import SUPPORTED, Catalogue
from issuer.scopes import AGENT_OS_ADMIN

# Of difflib's ratio: `memory` is 0.71 like `memories`, `products` 0.75 like `projects`.
_ALIKE = 0.7


def did_you_mean(text: str) -> str | None:
    """The known scope that is similar to `text`; None if none is similar enough.

    Never a scope that allows more than `text`: an id stays, and `agents:admin` does not suggest
    `agent_os:admin`.
    """
    return misspelling_of(text) or _similar(text, _nearest)


def misspelling_of(text: str) -> str | None:
    """The known scope that `text` misspells: its parts have at most one wrong letter each.

    Also with other separators, in another order, or in the singular. None for anything else.
    """
    return _similar(text, _misspelled)


def _similar(text: str, nearest: Callable[[str, Iterable[str]], str | None]) -> str | None:
    parts = text.split(":") if ":" in text else re.split(r"[./]", text)
    for resource, *ids, action in _orders(parts):
        is_admin = nearest(action, ["admin"]) is not None
        if re.sub(r"[^a-z]", "", resource.lower()) == "agentos" and is_admin:
            return AGENT_OS_ADMIN
        known = nearest(resource, _resources())
        done = nearest(action, _resources()[known]) if known else None
        if known and done:
            return ":".join([known, *ids, done])
    return None


def _orders(parts: list[str]) -> Iterable[list[str]]:
    """The parts as written, and reordered: `run:agents`, `agents:run:web`, `run:agents:web`."""
    match parts:
        case [a, b]:
            return [a, b], [b, a]
        case [a, b, c]:
            return [a, b, c], [a, c, b], [b, c, a]
    return []


def actions_of(resource: str) -> list[str]:
    """The actions of this resource in any version; empty if none has it."""
    return sorted(_resources().get(resource, ()))


def _nearest(word: str, known: Iterable[str]) -> str | None:
    plain = re.sub(r"[^a-z0-9]+", "_", word.lower())
    return next(iter(get_close_matches(plain, known, n=1, cutoff=_ALIKE)), None)


def _misspelled(word: str, known: Iterable[str]) -> str | None:
    plain = _stem(word)
    return next((each for each in known if _one_edit_apart(plain, _stem(each))), None)


def _one_edit_apart(one: str, other: str) -> bool:
    """Whether they are equal, or one letter is missing, added, another one, or swapped."""
    for _ in range(2):  # from the start, then from the end
        while one and other and one[0] == other[0]:
            one, other = one[1:], other[1:]
        one, other = one[::-1], other[::-1]
    return (len(one) <= 1 and len(other) <= 1) or (len(one) == 2 and other == one[::-1])  # noqa: PLR2004


def _stem(word: str) -> str:
    """In lower case and the singular: `memory` for `Memories`."""
    plain = re.sub(r"[^a-z0-9]+", "_", word.lower())
    return re.sub(r"ies$", "y", plain).removesuffix("s")


@cache
def _resources() -> dict[str, frozenset[str]]:
    """Every resource with its actions, over all versions."""
    found: dict[str, frozenset[str]] = {}
    for version in SUPPORTED:
        for name, resource in Catalogue.load(version).resources.items():
            found[name] = found.get(name, frozenset()) | set(resource.actions)
    return found
