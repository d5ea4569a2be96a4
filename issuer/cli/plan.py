"""`issuer plan`."""

import shlex
from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.manifest_input import (
    File,
    Prune,
    losses_of,
    planned,
    print_plan,
    report_invalid_manifest,
    source_of,
    warn_about_scopes,
)
from issuer.cli.opening import reading
from issuer.cli.options import AllowUnknownScopes, AsJson
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
    allow_unknown_scopes: AllowUnknownScopes = False,
    as_json: AsJson = False,
) -> None:
    """Show what a manifest would change, and which rights that adds or removes.

    Changes nothing. A manifest that cannot be applied is refused here too, with exit status 1.

    Examples:

      issuer plan -f issuer.yaml
      issuer plan -f issuer.yaml --prune --json
      issuer plan -f issuer.yaml --detailed-exitcode
    """
    source = source_of(file)
    with report_invalid_manifest(), reading() as work:
        declared, result = planned(
            work, source, file, prune=prune, allow_unknown_scopes=allow_unknown_scopes
        )
    if as_json:
        output.print_json(result.as_json())
    else:
        given = {"--prune": prune, "--allow-unknown-scopes": allow_unknown_scopes}
        _print_result(result, file, [name for name, is_given in given.items() if is_given])
    warn_about_scopes(declared)
    if detailed_exitcode and result:
        raise typer.Exit(_CHANGES)


def _print_result(result: ManifestPlan, file: str, given: list[str]) -> None:
    print_plan(result)
    if result:
        options = " ".join(["-f", shlex.quote(file), *given])
        yes = " --yes" if any(losses_of(result)) else ""
        print()
        output.print_text(
            f"To apply exactly this: issuer apply {options} --expect {result.change_count}{yes}"
        )
    else:
        print("There is nothing to change.")
