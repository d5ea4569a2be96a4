"""What was meant: by a misspelled scope, or by a request for which AgentOS has no route."""

import re
from collections.abc import Callable, Iterable, Iterator
from difflib import SequenceMatcher, get_close_matches
from functools import cache

from issuer.catalogue.catalogue import SUPPORTED, Catalogue
from issuer.catalogue.decision import as_routed
from issuer.scopes import AGENT_OS_ADMIN

# Of difflib's ratio: `memory` is 0.71 like `memories`, `products` 0.75 like `projects`.
_ALIKE = 0.7
# Of difflib's ratio: `run` is 0.86 like `runs`, `agent` 0.91 like `agents`.
_ALIKE_PATHS = 0.75
_OTHER_METHOD = 0.1  # the penalty for another method
_MAX_WORD = 64
Segments = list[str]


def did_you_mean(text: str) -> str | None:
    """The known scope that is similar to `text`; None if none is similar enough.

    Never a scope that allows more than `text`: an id stays, and `agents:admin` does not suggest
    `agent_os:admin`.
    """
    return misspelling_of(text) or _similar(text, _nearest)


def misspelling_of(text: str) -> str | None:
    """The known scope that `text` misspells by at most one letter in each part; None otherwise."""
    return _similar(text, _misspelling)


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


def _misspelling(word: str, known: Iterable[str]) -> str | None:
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
    found: dict[str, frozenset[str]] = {}
    for version in SUPPORTED:
        for name, resource in Catalogue.load(version).resources.items():
            found[name] = found.get(name, frozenset()) | set(resource.actions)
    return found


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
    meant = _nearest_route(catalogue, method, segments)
    if meant is None and segments[0] not in {pattern[0] for _, pattern in _names(catalogue)}:
        return None
    hint = f" Did you mean {meant}?" if meant else ""
    return (
        f"AgentOS of agno {catalogue.version} has no route {method} {path}: 404 or 405.{hint}"
        " If the application has such a route of its own, any valid token may call it."
    )


def _nearest_route(catalogue: Catalogue, method: str, segments: Segments) -> str | None:
    best, meant = 0.0, None
    for known, pattern in _names(catalogue):
        likeness = _likeness(pattern, segments) - (_OTHER_METHOD if known != method else 0)
        if likeness > best:
            best, meant = likeness, (known, pattern)
    if meant is None:
        return None
    filled = [own if name == "*" else name for name, own in zip(meant[1], segments, strict=True)]
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
    return ratio if ratio >= _ALIKE_PATHS else 0


def _names(catalogue: Catalogue) -> Iterator[tuple[str, Segments]]:
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
