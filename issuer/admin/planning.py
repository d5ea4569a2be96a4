"""Plans of manifests; a large manifest is read and planned in a separate process.

Planning a megabyte takes seconds and a hundred megabytes. In a thread of the server it would slow
down the event loop, and the memory would not be returned to the system.
"""

import os
import pickle
import subprocess
import sys
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
from issuer.manifest import ManifestPlan
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
class MadePlan:
    """A plan as JSON, and its steps if it is to be applied."""

    body: bytes
    etag: str
    plan: ManifestPlan | None


@dataclass(frozen=True)
class PlanRequest:
    """Who asks for a plan of which manifest; without steps unless it is `to_apply`."""

    actor: Actor
    held: frozenset[str]
    source: bytes
    prune: bool
    to_apply: bool = False


def made_plan(administration: Administration, request: PlanRequest) -> MadePlan:
    """The plan, from a read-only transaction. Errors are those of `manifest.read` and `.plan`."""
    if len(request.source) < MIN_BYTES_OF_OWN_PROCESS:
        return _made(administration, request)
    command = [sys.executable, "-P", "-c", _IN_OWN_PROCESS]
    arguments = pickle.dumps((administration.settings, request))
    try:
        ended = subprocess.run(  # noqa: S603 - no argument is from a caller
            command, input=arguments, stdout=subprocess.PIPE, timeout=_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        raise Unavailable("The plan took too long.") from None
    made, problem = pickle.loads(ended.stdout)  # noqa: S301 - our own process
    if problem is not None:
        raise ProblemRaised(**problem)
    assert isinstance(made, MadePlan)
    return made


def main() -> None:
    """The separate process: reads the request from stdin, and writes the result to stdout."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that nothing else is written to stdout
    settings, request = pickle.load(sys.stdin.buffer)  # noqa: S301
    pickle.dump(_result(settings, request), output)
    output.close()


def _result(
    settings: Settings, request: PlanRequest
) -> tuple[MadePlan | None, dict[str, Any] | None]:
    """The plan, or arguments for `ProblemRaised`: not all errors can be pickled."""
    logs.configure(settings.log_level)
    try:
        return _made(compose(settings).administration, request), None
    except IssuerError as error:
        problem = problem_of(error)
    named = {"name": problem.name, "detail": problem.detail, "headers": problem.headers}
    return None, {**named, "reason": problem.reason, **problem.members}


def _made(administration: Administration, request: PlanRequest) -> MadePlan:
    declared = manifest.read(request.source, FILE, max_bytes=MAX_BYTES)
    with administration.reading(request.actor, request.held) as work:
        plan = manifest.plan(work, declared, prune=request.prune)
    model = Planned(**plan.as_json())
    return MadePlan(
        model.model_dump_json().encode(), etag(model), plan if request.to_apply else None
    )
