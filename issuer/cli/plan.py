"""`issuer plan`."""

import shlex
from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.declaring import (
    File,
    Prune,
    every_problem_said,
    planned,
    print_plan,
    source_of,
    warn_about_scopes,
)
from issuer.cli.opening import reading
from issuer.cli.options import AsJson
from issuer.manifest import ManifestPlan

app = new_app()


_CHANGES = 3

DetailedExitCode = Annotated[
    bool,
    typer.Option(
        "--detailed-exitcode", help="Exit with status 3 if there are changes, else with 0."
    ),
]


@app.command()
def plan(
    file: File,
    prune: Prune = False,
    detailed_exitcode: DetailedExitCode = False,
    as_json: AsJson = False,
) -> None:
    """Show what a manifest would change, and who would gain or lose which rights.

    Nothing is changed. What cannot be applied is refused here already, with status 1.

    Examples:

      issuer plan -f issuer.yaml
      issuer plan -f issuer.yaml --prune --json
      issuer plan -f issuer.yaml --detailed-exitcode
    """
    source = source_of(file)
    with every_problem_said(), reading() as work:
        declared, found = planned(work, source, file, prune=prune)
    if as_json:
        output.print_json(found.as_json())
    else:
        _say(found, file, prune=prune)
    warn_about_scopes(declared)
    if detailed_exitcode and found:
        raise typer.Exit(_CHANGES)


def _say(found: ManifestPlan, file: str, *, prune: bool) -> None:
    print_plan(found)
    if found:
        options = f"-f {shlex.quote(file)}{' --prune' if prune else ''}"
        print(f"\nTo do exactly this: issuer apply {options} --expect {found.change_count}")
    else:
        print("There is nothing to change.")
