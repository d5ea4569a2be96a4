"""One version of AgentOS: its scope map, what its routers ask for besides, its resources."""

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any, Self

from issuer.errors import IssuerError

# Written by tests/catalogue/extract.py, under an interpreter that holds the agno in question.
_DATA = resources.files("issuer.catalogue") / "data"
_FILE = re.compile(r"agno-(\d+)\.(\d+)\.json")
_VERSION = re.compile(r"(\d+\.\d+)(?:\.\d+)*")


def _supported() -> tuple[str, ...]:
    names = [_FILE.fullmatch(file.name) for file in _DATA.iterdir()]
    return tuple(
        f"{a}.{b}" for a, b in sorted((int(name[1]), int(name[2])) for name in names if name)
    )


SUPPORTED = _supported()
"""The minor versions of agno we know, oldest first."""
NEWEST = SUPPORTED[-1]


class UnknownVersion(IssuerError):
    """Not a version of agno that the catalogue knows; `version` is what was given."""

    def __init__(self, version: str) -> None:
        known = ", ".join(SUPPORTED)
        super().__init__(f"{version!r} is not a version of agno we know. Those are: {known}.")
        self.version = version


@dataclass(frozen=True, slots=True)
class Route:
    """An entry of the scope map. `*` in its pattern spans slashes; all of `required` is wanted.

    `switched_by` is `company`, `a2a` or `agui` where the route is there only with that switched on.
    """

    method: str
    pattern: str
    required: tuple[str, ...]
    switched_by: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """What a router asks for by itself. A `{name}` in `scope` is that part of the path.

    A name that the path does not have stands for any id: the answer shows the ids that are held.
    """

    method: str
    path: str
    scope: str


@dataclass(frozen=True, slots=True)
class Resource:
    """What scopes speak of; `takes_ids` is whether AgentOS minds the id in `resource:id:action`."""

    actions: tuple[str, ...]
    takes_ids: bool
    company_only: bool


@dataclass(frozen=True)
class Catalogue:
    """AgentOS of one minor version, by the word of its newest patch, `agno`.

    `rewrites_every_family`: a scope asked for under `/agents/{id}` is asked for of that agent,
    even one of sessions. `sees_url`: the map is asked about the path of the URL, in which some
    characters stay encoded, rather than the path that the router sees. `unguarded` are routes, each
    a method and a path, that need a valid token and no scope.
    """

    version: str
    agno: str
    rewrites_every_family: bool
    sees_url: bool
    public: frozenset[str]
    routes: tuple[Route, ...]
    gates: tuple[Gate, ...]
    unguarded: tuple[tuple[str, str], ...]
    resources: Mapping[str, Resource]

    @classmethod
    def load(cls, version: str = NEWEST) -> "Catalogue":
        """The catalogue of this version, `3.1` or `3.1.10`; `UnknownVersion` if there is none."""
        known = _VERSION.fullmatch(version)
        if known is None or known[1] not in SUPPORTED:
            raise UnknownVersion(version)
        return _load(known[1])

    @classmethod
    def of(cls, version: str, data: Mapping[str, Any]) -> Self:
        """The catalogue that a data file describes."""
        return cls(
            version=version,
            agno=data["agno"],
            public=frozenset(data["public"]),
            routes=tuple(
                Route(m, p, tuple(required), *on) for m, p, required, *on in data["routes"]
            ),
            gates=tuple(Gate(*gate) for gate in data["gates"]),
            unguarded=tuple((method, path) for method, path in data["unguarded"]),
            resources={
                name: Resource(tuple(said["actions"]), said["ids"], said["company_only"])
                for name, said in data["resources"].items()
            },
            **data["rules"],
        )

    def has(self, resource: str, action: str) -> bool:
        """Whether any route asks for `resource:action`."""
        return resource in self.resources and action in self.resources[resource].actions

    def is_public(self, path: str) -> bool:
        """Whether AgentOS asks for no token at all there."""
        return path in self.public or path.rstrip("/") in self.public

    def required_at(self, method: str, path: str) -> tuple[str, ...]:
        """What the map asks for: of the entry that is the path itself, else of the first match."""
        if (method, path) in self._by_pattern:
            return self._by_pattern[method, path]
        matches = (scopes for regex, scopes in self._by_method.get(method, []) if regex.match(path))
        return next(matches, ())

    def gates_at(self, method: str, path: str) -> Iterator[tuple[Gate, dict[str, str]]]:
        """The gates that a request meets, and the parts of its path that they name."""
        for gate, regex in self._gates_by_method.get(method, []):
            if found := regex.fullmatch(path):
                yield gate, found.groupdict()

    @cached_property
    def _by_pattern(self) -> dict[tuple[str, str], tuple[str, ...]]:
        return {(route.method, route.pattern): route.required for route in self.routes}

    @cached_property
    def _by_method(self) -> dict[str, list[tuple[re.Pattern[str], tuple[str, ...]]]]:
        found: dict[str, list[tuple[re.Pattern[str], tuple[str, ...]]]] = {}
        for route in self.routes:
            regex = re.compile(fnmatch.translate(route.pattern))
            found.setdefault(route.method, []).append((regex, route.required))
        return found

    @cached_property
    def _gates_by_method(self) -> dict[str, list[tuple[Gate, re.Pattern[str]]]]:
        found: dict[str, list[tuple[Gate, re.Pattern[str]]]] = {}
        for gate in self.gates:
            regex = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", gate.path))
            found.setdefault(gate.method, []).append((gate, regex))
        return found


@cache
def _load(version: str) -> Catalogue:
    text = (_DATA / f"agno-{version}.json").read_text(encoding="utf-8")
    return Catalogue.of(version, json.loads(text))
