"""One version of AgentOS: its scope map, the checks of its routers, its resources."""

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any, Self, TypeVar

from issuer.errors import IssuerError

# Written by tests/catalogue/extract.py, in an interpreter with that version of agno.
_DATA = resources.files("issuer.catalogue") / "data"
_FILE = re.compile(r"agno-(\d+\.\d+)\.json")
_VERSION = re.compile(r"(\d+\.\d+)(?:\.\d+)*")

_FOUND = (found[1] for file in _DATA.iterdir() if (found := _FILE.fullmatch(file.name)))
SUPPORTED = tuple(sorted(_FOUND, key=lambda version: [*map(int, version.split("."))]))
"""The known minor versions of agno, oldest first."""
NEWEST = SUPPORTED[-1]


class UnknownVersion(IssuerError):
    """The catalogue has no such version of agno."""

    def __init__(self, version: str) -> None:
        known = ", ".join(SUPPORTED)
        super().__init__(f"{version!r} is not a known version of agno. Known versions: {known}.")
        self.version = version


@dataclass(frozen=True, slots=True)
class Route:
    """An entry of the scope map. `*` in its pattern spans slashes; all of `required` is needed."""

    method: str
    pattern: str
    required: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RouterCheck:
    """A scope that a router itself checks. A `{name}` in `scope` is that part of the path.

    A name that is not in the path stands for any id: the response shows the ids that are held.
    """

    method: str
    path: str
    scope: str


T = TypeVar("T", Route, RouterCheck)


@dataclass(frozen=True, slots=True)
class ScopeResource:
    """A resource in scopes; `takes_ids` is whether AgentOS reads the id in `resource:id:action`."""

    actions: tuple[str, ...]
    takes_ids: bool
    company_only: bool


@dataclass(frozen=True)
class Catalogue:
    """AgentOS of one minor version, as in its newest patch release.

    `rewrites_every_family`: a scope required under `/agents/{id}` is required for that agent,
    even one of sessions. `sees_url`: the scope map is matched with the path of the URL, in which
    some characters stay encoded, not with the path that the router sees. `unguarded` are routes,
    each a method and a path, that require a valid token and no scope.
    """

    version: str
    rewrites_every_family: bool
    sees_url: bool
    public: frozenset[str]
    routes: tuple[Route, ...]
    checks: tuple[RouterCheck, ...]
    unguarded: tuple[tuple[str, str], ...]
    resources: Mapping[str, ScopeResource]

    @classmethod
    def load(cls, version: str = NEWEST) -> "Catalogue":
        """The catalogue of a version such as `3.1` or `3.1.10`; else `UnknownVersion`."""
        known = _VERSION.fullmatch(version)
        if known is None or known[1] not in SUPPORTED:
            raise UnknownVersion(version)
        return _load(known[1])

    @classmethod
    def of(cls, version: str, data: Mapping[str, Any]) -> Self:
        """The catalogue that a data file describes."""
        return cls(
            version=version,
            public=frozenset(data["public"]),
            routes=tuple(Route(m, p, tuple(required)) for m, p, required, *_ in data["routes"]),
            checks=tuple(RouterCheck(*check) for check in data["checks"]),
            unguarded=tuple((method, path) for method, path in data["unguarded"]),
            resources={
                name: ScopeResource(tuple(each["actions"]), each["ids"], each["company_only"])
                for name, each in data["resources"].items()
            },
            **data["rules"],
        )

    def has(self, resource: str, action: str) -> bool:
        """Whether any route requires `resource:action`."""
        return resource in self.resources and action in self.resources[resource].actions

    def is_public(self, path: str) -> bool:
        """Whether AgentOS requires no token for this path."""
        return path in self.public or path.rstrip("/") in self.public

    def required_at(self, method: str, path: str) -> tuple[str, ...]:
        """The scopes that the map requires: of the entry for this path, else of the first match."""
        if (method, path) in self._by_pattern:
            return self._by_pattern[method, path]
        routes = self._routes_by_method.get(method, ())
        return next((route.required for regex, route in routes if regex.match(path)), ())

    def checks_at(self, method: str, path: str) -> Iterator[tuple[RouterCheck, dict[str, str]]]:
        """The router checks of a request, and the parts of its path that they name."""
        for regex, check in self._checks_by_method.get(method, ()):
            if found := regex.fullmatch(path):
                yield check, found.groupdict()

    @cached_property
    def _by_pattern(self) -> dict[tuple[str, str], tuple[str, ...]]:
        return {(route.method, route.pattern): route.required for route in self.routes}

    @cached_property
    def _routes_by_method(self) -> dict[str, list[tuple[re.Pattern[str], Route]]]:
        return _by_method((fnmatch.translate(each.pattern), each) for each in self.routes)

    @cached_property
    def _checks_by_method(self) -> dict[str, list[tuple[re.Pattern[str], RouterCheck]]]:
        named = r"(?P<\1>[^/]+)"
        return _by_method((re.sub(r"\{(\w+)\}", named, each.path), each) for each in self.checks)


def _by_method(entries: Iterable[tuple[str, T]]) -> dict[str, list[tuple[re.Pattern[str], T]]]:
    found: dict[str, list[tuple[re.Pattern[str], T]]] = {}
    for regex, entry in entries:
        found.setdefault(entry.method, []).append((re.compile(regex), entry))
    return found


@cache
def _load(version: str) -> Catalogue:
    text = (_DATA / f"agno-{version}.json").read_text(encoding="utf-8")
    return Catalogue.of(version, json.loads(text))
