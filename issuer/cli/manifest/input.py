"""Shared by `plan` and `apply`: read the manifest, and report all its problems at once."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from issuer import manifest
from issuer.cli import output
from issuer.cli.command import MAX_BYTES, beginning_of
from issuer.cli.confirming import emptied
from issuer.cli.opening import warn_about
from issuer.composition import UnitOfWork
from issuer.fields.text import escaped
from issuer.manifest import InvalidManifest, Manifest, ManifestPlan
from issuer.manifest.changes import Action, AssignmentChange, Change

_STANDARD_INPUT = "-"

File = Annotated[
    str, typer.Option("--file", "-f", metavar="FILE", help="The manifest; - for standard input.")
]
Prune = Annotated[
    bool,
    typer.Option("--prune", help="Also delete resources that its sections do not list."),
]


def source_of(file: str) -> bytes:
    """The content of the file, which the parser refuses above 5 MiB; no more is read."""
    if file == _STANDARD_INPUT:
        return sys.stdin.read(MAX_BYTES + 1).encode(errors="surrogateescape")
    return beginning_of(file)


def planned(
    work: UnitOfWork, source: bytes, file: str, *, prune: bool, allow_unknown_scopes: bool
) -> tuple[Manifest, ManifestPlan]:
    """A manifest that is valid here, and its plan; `InvalidManifest`, `InUse` otherwise."""
    if allow_unknown_scopes:
        work.allow_unknown_scopes()
    declared = manifest.read(source, file, work, prune=prune)
    return declared, manifest.plan(work, declared, prune=prune)


def losses_of(plan: ManifestPlan) -> Iterator[str]:
    """What the plan deletes, unassigns and empties."""
    for step in plan.steps:
        match step:
            case AssignmentChange(action=Action.UNASSIGN):
                yield step.text
            case Change(action=Action.DELETE):
                yield f"delete {step.resource}"
            case Change(action=Action.UPDATE):
                yield from emptied(str(step.resource), step.before, step.after)


@contextmanager
def report_invalid_manifest() -> Iterator[None]:
    """Print each problem of an invalid manifest on a line, and exit with status 1."""
    try:
        yield
    except InvalidManifest as refused:
        for line in str(refused).splitlines():
            typer.echo(escaped(line), err=True)
        raise typer.Exit(1) from None


def warn_about_scopes(declared: Manifest) -> None:
    """Warn about each role and client in the file, changed or not."""
    for resource, scopes in declared.scopes():
        warn_about(scopes, str(resource))


def print_plan(plan: ManifestPlan) -> None:
    """Print the plan as text."""
    for line in plan.lines():
        output.print_text(line)
