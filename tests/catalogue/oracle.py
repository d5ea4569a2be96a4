"""The answers of an AgentOS release, from a separate interpreter."""

import json
import os
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from issuer.catalogue.decision import Listing
from tests.agentos.releases import AgnoRelease

WORKER = Path(__file__).with_name("decision_oracle.py")


class Case(NamedTuple):
    """A request: the scopes of its token, its method and its path."""

    scopes: tuple[str, ...]
    method: str
    path: str


class Verdict(NamedTuple):
    """An answer; `listing` are the ids that a list shows."""

    allowed: bool
    listing: Listing | None


class Agno:
    """AgentOS of one release; `minor` is its name in the catalogue."""

    def __init__(self, release: AgnoRelease) -> None:
        self.minor = release.minor
        self.worker = subprocess.Popen(
            [os.fspath(release.python), "-P", os.fspath(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._answer() == release.version

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.communicate(timeout=10)

    def verdicts(self, cases: Collection[Case]) -> list[Verdict]:
        return [
            Verdict(allowed, "all" if ids == ["*"] else ids and frozenset(ids))
            for allowed, ids in self._ask({"cases": list(cases)})
        ]

    def add_routes(self, routes: Mapping[str, list[str]]) -> None:
        """Adds routes of an operator before those of agno."""
        self._ask({"operator_routes": routes})

    def _ask(self, question: dict[str, Any]) -> Any:
        self.worker.stdin.write(json.dumps(question) + "\n")
        self.worker.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        line = self.worker.stdout.readline()
        assert line, f"The oracle ended with status {self.worker.wait(10)}."
        return json.loads(line)
