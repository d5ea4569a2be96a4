"""`issuer plan`."""

import shlex

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
from issuer.cli.house import reading
from issuer.cli.options import AsJson
from issuer.manifest import Plan

app = new_app()


@app.command()
def plan(file: File, prune: Prune = False, as_json: AsJson = False) -> None:
    """Show what a manifest would change here, and who would gain or lose what. Nothing changes.

    Examples:

      issuer plan -f house.yaml
      issuer plan -f house.yaml --prune --json
    """
    source = source_of(file)
    with every_problem_said(), reading() as rooms:
        declared, found = planned(rooms, source, file, prune=prune)
    if as_json:
        output.print_json(found.as_json())
    else:
        _say(found, file, prune=prune)
    warn_about_scopes(declared)


def _say(found: Plan, file: str, *, prune: bool) -> None:
    print_plan(found)
    if found:
        options = f"-f {shlex.quote(file)}{' --prune' if prune else ''}"
        print(f"\nTo do exactly this: issuer apply {options} --expect {found.change_count}")
    else:
        print("There is nothing to change.")
