"""`issuer apply`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from issuer import manifest
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
from issuer.cli.opening import changing
from issuer.cli.options import AsJson
from issuer.errors import IssuerError
from issuer.files import write_private
from issuer.manifest import Applied, ManifestPlan

app = new_app()

Expect = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="COUNT",
        help="Only if nothing was changed here since the plan that named this count.",
    ),
]
SecretsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Where the secrets of new clients go, as JSON that only you can read.",
    ),
]


@app.command()
def apply(
    file: File,
    prune: Prune = False,
    expect: Expect = None,
    secrets_file: SecretsFile = None,
    as_json: AsJson = False,
) -> None:
    """Make this house what a manifest declares: all of it, or on any error nothing.

    The secrets of new clients are shown, this once, or written to a file that is not there yet.

    Examples:

      issuer apply -f house.yaml
      issuer apply -f house.yaml --prune --expect 42 --secrets-file secrets.json
    """
    source = source_of(file)
    if secrets_file is not None:
        _require_new(secrets_file)
    with every_problem_said(), output.working("Applying"), changing() as work:
        declared, plan = planned(work, source, file, prune=prune)
        count = plan.change_count if expect is None else expect
        applied = manifest.apply(work, replace(plan, change_count=count))
        work.authority.check_invariants()  # now, so that a refusal leaves no file behind
        # Before the commit: a secret that cannot be kept must not be made. If the commit fails,
        # the file stays, since from here nobody can tell whether it did.
        written = _written(secrets_file, applied.secrets)
    if as_json:
        output.print_json(_as_json(plan, applied, written))
    else:
        _say(plan, applied, written)
    warn_about_scopes(declared)


def _require_new(path: Path) -> None:
    """It may hold the secrets of the last time, which nobody can show again."""
    if path.exists() or path.is_symlink():
        raise IssuerError(f"{path} is there already, perhaps with other secrets: name another.")


def _written(path: Path | None, secrets: Mapping[str, str]) -> Path | None:
    if path is None or not secrets:
        return None
    try:
        write_private(path, json.dumps(dict(secrets), indent=2) + "\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise IssuerError(f"{path} cannot be written: {reason}.") from None
    return path


def _as_json(plan: ManifestPlan, applied: Applied, written: Path | None) -> dict[str, Any]:
    made = {"user_ids": dict(applied.user_ids)}
    if written is None:
        return {**plan.as_json(), **made, "client_secrets": dict(applied.secrets)}
    return {**plan.as_json(), **made, "secrets_file": str(written)}


def _say(plan: ManifestPlan, applied: Applied, written: Path | None) -> None:
    print_plan(plan)
    print("\nDone." if plan else "There was nothing to change.")
    if written is not None:
        output.print_text(f"The secrets of new clients are in {written}, and nowhere else.")
    elif applied.secrets:
        print()
        for client_id, secret in applied.secrets.items():
            output.print_text(f"{client_id} client_secret: {secret}")
        print("They are shown only this once.")
