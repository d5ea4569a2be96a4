"""The response to a plan request; a large manifest is planned in a separate process.

Planning a megabyte takes seconds and a hundred megabytes. In a thread of the server it would slow
down the event loop, and the memory would not be returned to the system.
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
from issuer.manifest import Manifest, ManifestPlan
from issuer.settings import Settings

FILE = "manifest"  # the file name in problems
MIN_BYTES_OF_OWN_PROCESS = 32 * 1024
_SECONDS = 120
_IN_OWN_PROCESS = "import os; os.nice(10); from issuer.admin.planning import main; main()"


class Planned(BaseModel):
    """The changes in order, and the scopes that clients and users gain and lose, by audience."""

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
) -> ManifestPlan:
    """The plan, from a read-only transaction."""
    with administration.reading(actor, held) as work:
        return manifest.plan(work, declared, prune=prune)


def plan_document(
    administration: Administration, actor: Actor, held: Iterable[str], source: bytes, *, prune: bool
) -> PlanDocument:
    """The plan for `source`. Errors are those of `manifest.read` and `manifest.plan`."""
    if len(source) < MIN_BYTES_OF_OWN_PROCESS:
        return _document(administration, actor, held, source, prune=prune)
    request = pickle.dumps((administration.settings, actor, held, source, prune))
    command = [sys.executable, "-P", "-c", _IN_OWN_PROCESS]
    try:
        ended = subprocess.run(  # noqa: S603 - no argument is from a caller
            command, input=request, stdout=subprocess.PIPE, timeout=_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        raise Unavailable("The plan took too long.") from None
    document, problem = pickle.loads(ended.stdout)  # noqa: S301 - our own process
    if problem is not None:
        raise ProblemRaised(**problem)
    assert isinstance(document, PlanDocument)
    return document


def main() -> None:
    """The separate process: reads the request from stdin, and writes the result to stdout."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that nothing else is written to stdout
    settings, actor, held, source, prune = pickle.load(sys.stdin.buffer)  # noqa: S301
    pickle.dump(_result(settings, actor, held, source, prune=prune), output)
    output.close()


def _result(
    settings: Settings, actor: Actor, held: frozenset[str], source: bytes, *, prune: bool
) -> tuple[PlanDocument | None, dict[str, Any] | None]:
    """The document, or arguments for `ProblemRaised`: not all errors can be pickled."""
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
