"""What a manifest would change, as it is answered; for a large one from a process of its own.

To plan a megabyte takes seconds and a hundred megabytes. In a thread of the server it would take
every second turn of the interpreter from the event loop, and the memory would stay.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from issuer import logs, manifest
from issuer.admin.limits import MAX_BYTES
from issuer.admin.problems import ProblemRaised
from issuer.admin.refusals import problem_of
from issuer.admin.representations import etag
from issuer.audit import Actor
from issuer.composition import Administration, compose
from issuer.errors import IssuerError, Unavailable
from issuer.manifest import Manifest, Plan
from issuer.settings import Settings

FILE = "manifest"  # what its problems call it
MIN_BYTES_OF_OWN_PROCESS = 32 * 1024
_SECONDS = 120
_IN_OWN_PROCESS = "import os; os.nice(10); from issuer.admin.planning import main; main()"


class Planned(BaseModel):
    """What would be done, in order, and what it means: who gains and loses what, and where."""

    change_count: int
    changes: list[dict[str, Any]]
    rights: list[dict[str, Any]]


@dataclass(frozen=True)
class PlanDocument:
    """A plan as JSON."""

    body: bytes
    etag: str


def read(source: bytes) -> Manifest:
    return manifest.read(source, FILE, max_bytes=MAX_BYTES)


def planned(
    administration: Administration,
    actor: Actor,
    held: Iterable[str],
    declared: Manifest,
    *,
    prune: bool,
) -> Plan:
    """The plan, from a transaction that only reads."""
    with administration.reading(actor, held) as work:
        return manifest.plan(work, declared, prune=prune)


def plan_document(
    administration: Administration, actor: Actor, held: Iterable[str], source: bytes, *, prune: bool
) -> PlanDocument:
    """The plan for `source`. Errors are those of `manifest.read` and `manifest.plan`."""
    if len(source) < MIN_BYTES_OF_OWN_PROCESS:
        return _document(administration, actor, held, source, prune=prune)
    asked = pickle.dumps((administration.settings, actor, held, source, prune))
    command = [sys.executable, "-P", "-c", _IN_OWN_PROCESS]
    try:
        ended = subprocess.run(  # noqa: S603 - nothing in it is from a caller
            command, input=asked, stdout=subprocess.PIPE, timeout=_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        raise Unavailable("The plan took too long.") from None
    found, problem = pickle.loads(ended.stdout)  # noqa: S301 - our own process
    if problem is not None:
        raise ProblemRaised(**problem)
    assert isinstance(found, PlanDocument)
    return found


def main() -> None:
    """The other process: reads what was asked from its input, and writes what was found."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else is written there
    settings, actor, held, source, prune = pickle.load(sys.stdin.buffer)  # noqa: S301
    pickle.dump(_found(settings, actor, held, source, prune=prune), output)
    output.close()


def _found(
    settings: Settings, actor: Actor, held: frozenset[str], source: bytes, *, prune: bool
) -> tuple[PlanDocument | None, dict[str, Any] | None]:
    """The document, or the problem as arguments of `ProblemRaised`: many errors do not pickle."""
    logs.configure(settings.log_level)
    try:
        administration = compose(settings).administration
        return _document(administration, actor, held, source, prune=prune), None
    except IssuerError as error:
        problem = problem_of(error)
    named = {"name": problem.name, "detail": problem.detail, "headers": problem.headers}
    return None, {**named, "reason": problem.reason, **problem.members}


def _document(
    administration: Administration, actor: Actor, held: Iterable[str], source: bytes, *, prune: bool
) -> PlanDocument:
    plan = planned(administration, actor, held, read(source), prune=prune)
    model = Planned(**plan.as_json())
    return PlanDocument(model.model_dump_json().encode(), etag(model))
