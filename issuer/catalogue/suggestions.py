"""Suggestions for scopes that no AgentOS version has."""

import re
from collections.abc import Iterable
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
    parts = text.split(":") if ":" in text else re.split(r"[./]", text)
    for resource, *ids, action in _orders(parts):
        if re.sub(r"[^a-z]", "", resource.lower()) == "agentos" and action.lower() == "admin":
            return AGENT_OS_ADMIN
        known = _nearest(resource, _resources())
        done = _nearest(action, _resources()[known]) if known else None
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


@cache
def _resources() -> dict[str, frozenset[str]]:
    """Every resource with its actions, over all versions."""
    found: dict[str, frozenset[str]] = {}
    for version in SUPPORTED:
        for name, resource in Catalogue.load(version).resources.items():
            found[name] = found.get(name, frozenset()) | set(resource.actions)
    return found
