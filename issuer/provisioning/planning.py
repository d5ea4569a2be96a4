"""Plans of manifests; a large manifest is read and planned in a separate process.

A megabyte takes seconds and a hundred megabytes, which a thread would not return to the system.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from issuer import manifest
from issuer.audit import Actor
from issuer.composition.administration import Administration
from issuer.composition.composition import compose
from issuer.errors import IssuerError, Unavailable
from issuer.http.etags import etag_of
from issuer.manifest import ManifestPlan
from issuer.manifest.applying import Applied, PlanOutdated
from issuer.telemetry import logs

MAX_BYTES = 1024 * 1024
MIN_BYTES_OF_OWN_PROCESS = 32 * 1024
_FILE = "manifest"  # the file name in problems
_SECONDS = 120
_IN_OWN_PROCESS = "import os; os.nice(10); from issuer.provisioning.planning import main; main()"


class Planned(BaseModel):
    """The changes in order, and the scopes that clients and users gain and lose, by audience.

    `credentials` must be confirmed in `keep_credentials` where the plan is applied, `members` by
    `user_id` in `keep_members`.
    """

    change_count: int
    changes: list[dict[str, Any]]
    rights: list[dict[str, Any]]
    credentials: list[dict[str, Any]]
    members: list[dict[str, Any]]


@dataclass(frozen=True)
class PlanResult:
    """A plan as JSON, and its steps if it is to be applied."""

    body: bytes
    etag: str
    plan: ManifestPlan | None


@dataclass(frozen=True)
class PlanRequest:
    """Who asks for a plan of which manifest; without steps unless it is `to_apply`.

    `allow_unknown_scopes`: also misspelled ones. `keep`: ids of credentials of others that
    clients keep, `keep_members`: of users whom others put into groups.
    """

    actor: Actor
    held: frozenset[str]
    source: bytes
    prune: bool
    to_apply: bool = False
    allow_unknown_scopes: bool = False
    keep: tuple[str, ...] = ()
    keep_members: tuple[str, ...] = ()


def make_plan(administration: Administration, request: PlanRequest) -> PlanResult:
    """The plan, from a read-only transaction. Errors are those of `manifest.read` and `.plan`."""
    if len(request.source) < MIN_BYTES_OF_OWN_PROCESS:
        return _make(administration, request)
    command = [sys.executable, "-P", "-c", _IN_OWN_PROCESS]
    arguments = pickle.dumps((administration.settings, request))
    try:
        ended = subprocess.run(  # noqa: S603 - no argument is from a caller
            command, input=arguments, stdout=subprocess.PIPE, timeout=_SECONDS, check=True
        )
    except subprocess.TimeoutExpired:
        raise Unavailable("The plan took too long.") from None
    made, error = pickle.loads(ended.stdout)  # noqa: S301 - our own process
    if error is not None:
        kind, args, members = error
        unpacked = kind.__new__(kind, *args)
        vars(unpacked).update(members)
        raise unpacked
    assert isinstance(made, PlanResult)
    return made


def apply_plan(
    administration: Administration, request: PlanRequest, check: Callable[[PlanResult], None]
) -> tuple[PlanResult, Applied]:
    """Plan outside the transaction, `check`, which may raise, and apply all or nothing."""
    for is_last in (False, False, True):
        made = make_plan(administration, request)
        check(made)
        assert made.plan is not None
        try:
            with administration.changing(request.actor, request.held) as work:
                work.authority.drop_lost_scopes()
                if request.allow_unknown_scopes:
                    work.allow_unknown_scopes()
                work.new_privileges.keep(request.keep, request.keep_members)
                applied = manifest.apply(work, made.plan)
        except PlanOutdated:
            if is_last:
                raise
        else:
            return made, replace(applied, warnings=tuple(work.warnings))
    raise AssertionError


def main() -> None:
    """The separate process: reads the request from stdin, and writes the result to stdout."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that nothing else is written to stdout
    settings, request = pickle.load(sys.stdin.buffer)  # noqa: S301
    logs.configure(settings.log_level)
    made, refused = None, None
    try:
        made = _make(compose(settings).administration, request)
    except IssuerError as error:
        # An error with another constructor cannot be unpickled.
        refused = type(error), error.args, vars(error)
    pickle.dump((made, refused), output)
    output.close()


def _make(administration: Administration, request: PlanRequest) -> PlanResult:
    with administration.reading(request.actor, request.held) as work:
        if request.allow_unknown_scopes:
            work.allow_unknown_scopes()
        _, plan = work.plan(request.source, _FILE, prune=request.prune, max_bytes=MAX_BYTES)
    body = Planned(**plan.as_json()).model_dump_json().encode()
    return PlanResult(body, etag_of(b"0 " + body), plan if request.to_apply else None)
