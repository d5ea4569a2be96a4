"""What a set of scopes allows at AgentOS, computed by agno itself."""

import json
import os
import subprocess
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import tests.agentos
from tests.agentos.releases import AgnoRelease

WORKER = Path(tests.agentos.__file__).with_name("scope_oracle.py")
ALL = "*"  # agno's own mark for "every id"

# In paths and in scopes; some with special characters.
IDS = ("web", "billing", "*", "<resource-id>", "agents", "runs", "WEB", "web:read", "a b", "wéb")


@dataclass(frozen=True)
class Openings:
    """The routes that one set of scopes allows, and the ids it sees in lists."""

    routes: tuple[str, ...]
    open: int
    filters: dict[int, frozenset[str]]
    ids: dict[str, frozenset[str]]

    def __contains__(self, route: str) -> bool:
        return bool(self.open >> self.routes.index(route) & 1)

    def beyond(self, wider: Self) -> list[str]:
        """What this allows and `wider` does not, as text; empty if nothing."""
        return (
            self._routes_in(self.open & ~wider.open)
            + [
                f"{self.routes[index]} lists {set(self.listed_at(index))}, not {set(listed)}"
                for index, listed in wider.filters.items()
                if not is_within(self.listed_at(index), listed)
            ]
            + [
                f"{name} sees {set(seen)}, not {set(wider.ids[name])}"
                for name, seen in self.ids.items()
                if not is_within(seen, wider.ids[name])
            ]
        )

    def _routes_in(self, mask: int) -> list[str]:
        if not mask:
            return []
        return [route for index, route in enumerate(self.routes) if mask >> index & 1]

    def listed_at(self, index: int) -> frozenset[str]:
        """The ids that a list shows; all if the holder may list without a filter."""
        return self.filters.get(index, frozenset({ALL}))

    def shared_with(self, other: Self) -> Self:
        """What both allow.

        Without the ids shown for any action: there agno shows an agent to holders of read and to
        holders of run, although the two have no right in common.
        """
        return type(self)(
            self.routes,
            self.open & other.open,
            {
                index: in_both(self.listed_at(index), other.listed_at(index))
                for index in self.filters.keys() | other.filters.keys()
            },
            {
                name: in_both(seen, other.ids[name])
                for name, seen in self.ids.items()
                if not name.endswith(":None")
            },
        )


def is_within(some: frozenset[str], more: frozenset[str]) -> bool:
    return ALL in more or some <= more


def in_both(ours: frozenset[str], theirs: frozenset[str]) -> frozenset[str]:
    if ALL in ours:
        return theirs
    return ours if ALL in theirs else ours & theirs


class AgnoScopes:
    """The scope functions of one agno release, in a separate interpreter."""

    def __init__(self, release: AgnoRelease, *, company: bool = False) -> None:
        command = [os.fspath(release.python), "-P", os.fspath(WORKER)]
        self.worker = subprocess.Popen(
            command + ["--company"] * company,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.required = {
            f"{method} {path}": scopes
            for method, path, scopes in self._ask({"ask": "routes", "ids": IDS})
        }
        self.routes = tuple(self.required)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.communicate(timeout=10)

    def openings(self, *holders: Iterable[str]) -> list[Openings]:
        """What each of these sets of scopes allows."""
        answers = self._ask({"ask": "openings", "holders": [list(holder) for holder in holders]})
        return [self._openings(answer) for answer in answers]

    def openings_by_roles(
        self, defined: Mapping[str, Iterable[str]], named: Iterable[str], scopes: Iterable[str]
    ) -> Openings:
        """What a token with these names and scopes allows where an AgentOS lets roles decide.

        Its own roles are as `defined`, so far as agno accepts their scopes.
        """
        roles = {role: sorted(held) for role, held in defined.items()}
        question = {"defined": roles, "named": list(named), "scopes": sorted(scopes)}
        return self._openings(*self._ask({"ask": "openings_by_roles", **question}))

    def _openings(self, answer: dict[str, Any]) -> Openings:
        return Openings(
            self.routes,
            int(answer["open"][::-1], 2),
            {int(index): frozenset(ids) for index, ids in answer["filters"].items()},
            {name: frozenset(ids) for name, ids in answer.get("ids", {}).items()},
        )

    def matches(self, pairs: Collection[tuple[str, str]]) -> list[bool]:
        """For each pair (held, asked): `matches_scope` of the two, parsed."""
        return self._ask({"ask": "matches", "pairs": list(pairs)})

    def _ask(self, question: dict[str, Any]) -> list[Any]:
        self.worker.stdin.write(json.dumps(question) + "\n")
        self.worker.stdin.flush()
        answer = self.worker.stdout.readline()
        assert answer, f"The scope oracle ended with status {self.worker.wait(10)}."
        return json.loads(answer)
