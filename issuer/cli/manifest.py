"""`issuer plan`, `issuer apply` and `issuer export`."""

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from issuer import manifest
from issuer.cli import output
from issuer.cli.command import (
    MAX_BYTES,
    beginning_of,
    flag,
    new_app,
    option,
    wants_json,
    write_file,
)
from issuer.cli.confirming import Yes, confirming, emptied
from issuer.cli.opening import changing, reading, warn_about
from issuer.cli.options import AllowUnknownScopes, KeepCredentials, KeepMembers
from issuer.errors import IssuerError
from issuer.fields.text import escape
from issuer.manifest import InvalidManifest, ManifestPlan
from issuer.manifest.applying import Applied
from issuer.manifest.changes import Action, AssignmentChange, Change, MemberChange
from issuer.manifest.reading import Manifest

app = new_app()

_STANDARD_INPUT = "-"
_CHANGES = 3

File = Annotated[str, option("FILE", "The manifest; - for standard input.", "--file", "-f")]
Prune = Annotated[bool, flag("--prune", "Also delete resources that its sections do not list.")]


@app.command()
def plan(
    file: File,
    prune: Prune = False,
    detailed_exitcode: bool = flag(
        "--detailed-exitcode", "Exit with status 3 if there are changes, else with 0."
    ),
    allow_unknown_scopes: AllowUnknownScopes = False,
) -> None:
    """Show what a manifest would change, and which rights that adds or removes.

    Changes nothing. A manifest that cannot be applied is refused here too, with exit status 1.

    Examples:

      issuer plan -f issuer.yaml
      issuer plan -f issuer.yaml --prune --json
      issuer plan -f issuer.yaml --detailed-exitcode
    """
    source = _source_of(file)
    with _report_invalid_manifest(), reading() as work:
        if allow_unknown_scopes:
            work.allow_unknown_scopes()
        declared, result = work.plan(source, file, prune=prune)
    if wants_json.get():
        output.print_json(result.as_json())
    else:
        given = {"--prune": prune, "--allow-unknown-scopes": allow_unknown_scopes}
        _print_planned(result, file, [name for name, is_given in given.items() if is_given])
    _warn_about_scopes(declared)
    if detailed_exitcode and result:
        raise typer.Exit(_CHANGES)


def _print_planned(result: ManifestPlan, file: str, given: list[str]) -> None:
    _print_plan(result)
    if result:
        options = " ".join(["-f", shlex.quote(file), *given])
        yes = " --yes" if any(_losses_of(result)) else ""
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
    expect: int | None = option(
        "COUNT", "Refuse if anything changed since the plan that printed this count.", min=0
    ),
    secrets_file: Path | None = option(
        "PATH", "Write the secrets of new clients to this new file, as JSON with mode 0600."
    ),
    allow_unknown_scopes: AllowUnknownScopes = False,
    keep_credentials: KeepCredentials = None,
    keep_members: KeepMembers = None,
    yes: Yes = False,
) -> None:
    """Apply a manifest, completely or not at all.

    Asks first if it deletes a resource, unassigns a role or empties a member.

    The secrets of new clients are shown once, or written to a new file.

    Examples:

      issuer apply -f issuer.yaml
      issuer apply -f issuer.yaml --secrets-file secrets.json
      issuer apply -f issuer.yaml --prune --expect 42 --yes
    """
    source = _source_of(file)
    # It may hold earlier secrets, which cannot be shown again.
    if secrets_file and (secrets_file.exists() or secrets_file.is_symlink()):
        raise IssuerError(
            f"{secrets_file} already exists and may hold other secrets: name another file."
        )
    if secrets_file:  # a server does not roll back
        write_file(secrets_file, "")
        secrets_file.unlink()
    confirmed = keep_credentials, keep_members
    for confirmation in confirming(yes=yes):
        with (
            confirmation,
            _report_invalid_manifest(),
            output.working("Applying"),
            changing(*confirmed, allow_unknown_scopes=allow_unknown_scopes) as work,
        ):
            declared, plan = work.plan(source, file, prune=prune)
            count = plan.change_count if expect is None else expect
            applied = work.apply(replace(plan, change_count=count))
            confirmation.require(*_losses_of(plan))
            # Before the commit: a secret that cannot be stored must not take effect. If the commit
            # fails, the file stays, since the outcome of a commit can be unknown.
            written = secrets_file if applied.secrets else None
            if written is not None:
                write_file(written, json.dumps(applied.secrets, indent=2) + "\n")
    if wants_json.get():
        kept = {"secrets_file": str(written)} if written else {"client_secrets": applied.secrets}
        output.print_json({**plan.as_json(), "user_ids": applied.user_ids, **kept})
    else:
        _print_applied(plan, applied, written)
    _warn_about_scopes(declared)


def _source_of(file: str) -> bytes:
    """The content of the file, which the parser refuses above 5 MiB; no more is read."""
    if file == _STANDARD_INPUT:
        return sys.stdin.read(MAX_BYTES + 1).encode(errors="surrogateescape")
    return beginning_of(file)


def _losses_of(plan: ManifestPlan) -> Iterator[str]:
    """What the plan deletes, unassigns and empties."""
    for step in plan.steps:
        match step:
            case AssignmentChange(action=Action.UNASSIGN):
                yield step.text
            case MemberChange(action=Action.REMOVE_MEMBER):
                yield step.text
            case Change(action=Action.DELETE):
                yield f"delete {step.resource}"
            case Change(action=Action.UPDATE):
                yield from emptied(str(step.resource), step.before, step.after)


@contextmanager
def _report_invalid_manifest() -> Iterator[None]:
    """Print each problem of an invalid manifest on a line, and exit with status 1."""
    try:
        yield
    except InvalidManifest as refused:
        for line in str(refused).splitlines():
            typer.echo(escape(line), err=True)
        raise typer.Exit(1) from None


def _warn_about_scopes(declared: Manifest) -> None:
    """Warn about each role and client in the file, changed or not."""
    for resource, scopes in declared.scopes():
        warn_about(scopes, str(resource))


def _print_plan(plan: ManifestPlan) -> None:
    for line in plan.lines():
        output.print_text(line)


def _print_applied(plan: ManifestPlan, applied: Applied, written: Path | None) -> None:
    _print_plan(plan)
    print("\nDone." if plan else "There was nothing to change.")
    if written is not None:
        output.print_text(f"The secrets of new clients are in {written}, and nowhere else.")
    elif applied.secrets:
        print()
        for client_id, secret in applied.secrets.items():
            output.print_text(f"{client_id} client_secret: {secret}")
        print("They are shown only once.")


@app.command()
def export(schema: bool = flag("--schema", "Print the JSON Schema of a manifest instead.")) -> None:
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
        for piece in work.export(as_json=wants_json.get()):
            print(piece, end="")
