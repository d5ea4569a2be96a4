"""`issuer client rotate`."""

import sys
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.opening import changing, reading
from issuer.cli.options import AsJson, ClientId
from issuer.clients import ClientSecret, Rotation, how_last_used
from issuer.errors import NotAllowed

app = new_app("Replace the secret of a client without downtime: both work until you finish.")


@app.command("start")
def start_rotation(client: ClientId, as_json: AsJson = False) -> None:
    """Create a second secret and show it once. The old ones work until you finish.

    Examples:

      issuer client rotate start ci-bot
    """
    with changing() as work:
        created, secret = work.rotations.start(client)
    output.show(created, as_json=as_json, client_secret=secret)


@app.command("status")
def show_rotation(client: ClientId, as_json: AsJson = False) -> None:
    """Show when and from where each secret was last used, with a delay of some seconds.

    Examples:

      issuer client rotate status ci-bot
    """
    with reading() as work:
        secrets = work.clients.secrets(client)
    rotation = Rotation.of(secrets)
    items = [_item(secret, rotation) for secret in secrets]
    if as_json:
        output.print_json({"under_way": rotation is not None, "items": items})
        return
    columns = ["id", "label", "part", "created_at", "last_used_at", "last_used_address"]
    output.show_all(items, columns, as_json=False)
    print("A rotation is under way." if rotation else "No rotation is under way.")


@app.command("finish")
def finish_rotation(
    client: ClientId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete the secrets older than the new one, and show when they were last used.

    Asks first if an old one was used in the last 24 hours, or the new one never.

    Examples:

      issuer client rotate finish ci-bot
      issuer client rotate finish ci-bot --yes
    """
    with reading() as work:
        rotation = work.rotations.get(client)
        warnings = work.rotations.warnings(rotation)
    force = yes or (bool(warnings) and _confirmed(warnings))
    if not as_json:
        for secret in rotation.old:
            output.print_text(f"The old secret {secret.id} {how_last_used(secret)}.")
    with changing() as work:
        _require_same(rotation, work.rotations.get(client))
        work.rotations.finish(client, force=force)
    deleted = [secret.model_dump(mode="json") for secret in rotation.old]
    output.say(
        f"Deleted the old secrets; the new secret {rotation.new.id} stays.",
        {"deleted": deleted, "kept": rotation.new.id},
        as_json=as_json,
    )


@app.command("cancel")
def cancel_rotation(client: ClientId, as_json: AsJson = False) -> None:
    """Delete the new secret. The old ones keep working.

    Examples:

      issuer client rotate cancel ci-bot
    """
    with changing() as work:
        new = work.rotations.cancel(client)
    output.say(f"Deleted the new secret {new.id}.", {"deleted": new.id}, as_json=as_json)


def _item(secret: ClientSecret, rotation: Rotation | None) -> dict[str, Any]:
    part = None
    if rotation is not None:
        part = "new" if secret is rotation.new else "old" if secret in rotation.old else None
    return {**secret.model_dump(mode="json"), "part": part}


def _confirmed(warnings: list[str]) -> bool:
    """True; `NotAllowed` unless the operator confirms."""
    question = f"{' '.join(warnings)} Delete the old secrets?"
    if not sys.stdin.isatty():
        raise NotAllowed(f"{' '.join(warnings)} Add --yes to delete the old secrets.")
    if not typer.confirm(question, err=True):
        raise NotAllowed("Nothing was deleted.")
    return True


def _require_same(confirmed: Rotation, current: Rotation) -> None:
    """`NotAllowed` if the secrets changed since the operator was asked."""
    if confirmed.ids != current.ids:
        raise NotAllowed("The secrets changed meanwhile: see `issuer client rotate status`.")
