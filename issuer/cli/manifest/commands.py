"""`issuer plan`, `issuer apply` and `issuer export`."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from issuer import manifest
from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.confirming import Confirmation, Yes, confirmed
from issuer.cli.manifest.input import (
    File,
    Prune,
    losses_of,
    planned,
    print_plan,
    report_invalid_manifest,
    source_of,
    warn_about_scopes,
)
from issuer.cli.opening import changing, reading
from issuer.cli.options import AllowUnknownScopes, AsJson, KeepCredentials
from issuer.errors import IssuerError
from issuer.files import reason_of, write_private
from issuer.manifest import Applied, Manifest, ManifestPlan

app = new_app()
_CHANGES = 3

DetailedExitCode = Annotated[
    bool,
    typer.Option(
        "--detailed-exitcode", help="Exit with status 3 if there are changes, else with 0."
    ),
]
Expect = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="COUNT",
        help="Refuse if anything changed since the plan that printed this count.",
    ),
]
SecretsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Write the secrets of new clients to this new file, as JSON with mode 0600.",
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
        _print_planned(result, file, [name for name, is_given in given.items() if is_given])
    warn_about_scopes(declared)
    if detailed_exitcode and result:
        raise typer.Exit(_CHANGES)


def _print_planned(result: ManifestPlan, file: str, given: list[str]) -> None:
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


@app.command()
def apply(
    file: File,
    prune: Prune = False,
    expect: Expect = None,
    secrets_file: SecretsFile = None,
    allow_unknown_scopes: AllowUnknownScopes = False,
    keep_credentials: KeepCredentials = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Apply a manifest, completely or not at all.

    Asks first if it deletes a resource, unassigns a role or empties a member.

    The secrets of new clients are shown once, or written to a new file.

    Examples:

      issuer apply -f issuer.yaml
      issuer apply -f issuer.yaml --secrets-file secrets.json
      issuer apply -f issuer.yaml --prune --expect 42 --yes
    """
    source = source_of(file)
    if secrets_file is not None:
        _require_new(secrets_file)

    def change(confirmation: Confirmation) -> tuple[Manifest, ManifestPlan, Applied, Path | None]:
        with (
            report_invalid_manifest(),
            output.working("Applying"),
            changing(keep_credentials) as work,
        ):
            declared, plan = planned(
                work, source, file, prune=prune, allow_unknown_scopes=allow_unknown_scopes
            )
            count = plan.change_count if expect is None else expect
            applied = manifest.apply(work, replace(plan, change_count=count))
            work.check_invariants()  # now, so that a refusal leaves no file behind
            confirmation.require(*losses_of(plan))
            # Before the commit: a secret that cannot be stored must not take effect. If the commit
            # fails, the file stays, since the outcome of a commit can be unknown.
            return declared, plan, applied, _written(secrets_file, applied.secrets)

    declared, plan, applied, written = confirmed(change, yes=yes)
    if as_json:
        output.print_json(_as_json(plan, applied, written))
    else:
        _print_applied(plan, applied, written)
    warn_about_scopes(declared)


def _require_new(path: Path) -> None:
    """An existing file may hold earlier secrets, which cannot be shown again."""
    if path.exists() or path.is_symlink():
        raise IssuerError(f"{path} already exists and may hold other secrets: name another file.")


def _written(path: Path | None, secrets: Mapping[str, str]) -> Path | None:
    if path is None or not secrets:
        return None
    try:
        write_private(path, json.dumps(dict(secrets), indent=2) + "\n")
    except (OSError, ValueError) as error:
        raise IssuerError(f"{path} cannot be written: {reason_of(error)}.") from None
    return path


def _as_json(plan: ManifestPlan, applied: Applied, written: Path | None) -> dict[str, Any]:
    members = {**plan.as_json(), "user_ids": dict(applied.user_ids)}
    if written is None:
        return {**members, "client_secrets": dict(applied.secrets)}
    return {**members, "secrets_file": str(written)}


def _print_applied(plan: ManifestPlan, applied: Applied, written: Path | None) -> None:
    print_plan(plan)
    print("\nDone." if plan else "There was nothing to change.")
    if written is not None:
        output.print_text(f"The secrets of new clients are in {written}, and nowhere else.")
    elif applied.secrets:
        print()
        for client_id, secret in applied.secrets.items():
            output.print_text(f"{client_id} client_secret: {secret}")
        print("They are shown only once.")


@app.command()
def export(
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a manifest instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the configuration as a manifest for plan and apply, without secrets and passwords.

    The same configuration gives the same text, so that it can be kept in git.

    Examples:

      issuer export > issuer.yaml
      issuer export --json
      issuer export --schema > issuer.schema.json
    """
    if schema:
        output.print_json(manifest.schema())
        return
    with reading() as work:
        text = manifest.export(work)
    if as_json:
        output.print_json(manifest.data_of(text))
    else:
        print(text, end="")
