"""Requests for which AgentOS has no route, with a suggestion."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cache

from issuer.catalogue.catalogue import Catalogue
from issuer.catalogue.decision import as_routed

# Of difflib's ratio: `run` is 0.86 like `runs`, `agent` 0.91 like `agents`.
_ALIKE = 0.75
_OTHER_METHOD = 0.1  # the penalty for another method
_MAX_WORD = 64

Segments = list[str]


def why_unknown(version: str, method: str, path: str) -> str | None:
    """Why AgentOS of this version has no route `method path`; None if it may have one.

    For a request that neither the scope map nor a router checks. An application may have routes
    of its own: a path that resembles no route of AgentOS is taken for one of those.
    """
    catalogue = Catalogue.load(version)
    method, path = method.upper(), as_routed(path)
    for known, pattern in catalogue.unguarded:
        if known == method and path_regex(pattern).fullmatch(path):
            return None
    segments = _segments(path)
    meant = _nearest(catalogue, method, segments)
    if meant is None and segments[0] not in {pattern[0] for _, pattern in _known(catalogue)}:
        return None
    hint = f" Did you mean {meant}?" if meant else ""
    return (
        f"AgentOS of agno {catalogue.version} has no route {method} {path}: 404 or 405.{hint}"
        " If the application has such a route of its own, any valid token may call it."
    )


def _nearest(catalogue: Catalogue, method: str, segments: Segments) -> str | None:
    """The most similar route, with the ids of the request."""
    best, meant = 0.0, None
    for known, pattern in _known(catalogue):
        likeness = _likeness(pattern, segments) - (_OTHER_METHOD if known != method else 0)
        if likeness > best:
            best, meant = likeness, (known, pattern)
    if meant is None:
        return None
    filled = [
        given if name == "*" else name for name, given in zip(meant[1], segments, strict=True)
    ]
    return f"{meant[0]} /{'/'.join(filled)}"


def _likeness(pattern: Segments, segments: Segments) -> float:
    """The mean similarity of segments, 1 for equal ones; 0 if any two are too different."""
    if len(pattern) != len(segments):
        return 0
    words = [_ratio(word, given) for word, given in zip(pattern, segments, strict=True)]
    return sum(words) / len(words) if min(words) > 0 else 0


def _ratio(word: str, given: str) -> float:
    if word == given:
        return 1
    if word == "*":
        return 0.9  # so that a route with the word itself is preferred
    if len(given) > _MAX_WORD:
        return 0
    ratio = SequenceMatcher(None, word, given.lower()).ratio()
    return ratio if ratio >= _ALIKE else 0


def _known(catalogue: Catalogue) -> Iterator[tuple[str, Segments]]:
    for route in catalogue.routes:
        yield route.method, _segments(route.pattern)
    for check in catalogue.checks:
        yield check.method, _segments(check.path)


def _segments(path: str) -> Segments:
    return ["*" if each.startswith("{") else each for each in path.strip("/").split("/")]


@cache
def path_regex(path: str) -> re.Pattern[str]:
    """A regex for `path`: `{name}` is one segment, `{name:path}` may span slashes."""
    spans = {None: "[^/]+", ":path": ".*"}
    escaped = re.escape(path)
    return re.compile(re.sub(r"\\\{\w+(:path)?\\\}", lambda found: spans[found[1]], escaped))
