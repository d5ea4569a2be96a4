"""`issuer client secret` and `issuer client rotate`."""

import re
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import typer

from issuer.cli import output
from issuer.cli.command import NOTHING, argument, flag, given, new_app, option, wants_json
from issuer.cli.confirming import Yes, confirming
from issuer.cli.opening import changing, read_settings, reading
from issuer.cli.options import ClientId, instant
from issuer.clients import ClientSecret, Rotation, SecretFields, how_last_used
from issuer.errors import NotAllowed

secret_app = new_app("The secrets of a client. Several can be valid at a time, for rotation.")
# A DNS label of Kubernetes has 63 characters.
_LABEL = 63
_NOT_IN_LABELS = re.compile(r"[^a-z0-9]+")


class _Output(StrEnum):
    KUBERNETES = "kubernetes"


@secret_app.command("list")
def list_secrets(client: ClientId) -> None:
    """List the secrets of a client, oldest first, without their values.

    The state is active, expired or never used.

    Examples:

      issuer client secret list ci-bot
    """
    with reading() as work:
        secrets = work.clients.secrets(client)
    now = datetime.now(UTC)
    rows = [{**each.model_dump(mode="json"), "state": each.state_at(now).value} for each in secrets]
    output.show_all(rows, ["id", "state", "label", "created_at", "expires_at", "last_used_at"])


def _end(text: str) -> object:
    return NOTHING if text == "never" else instant(text, after=True)


@secret_app.command("create")
def create_secret(
    client: ClientId,
    label: str | None = option("TEXT", "Where it will be used."),
    expires_at: Any = option(
        "TIME",
        "When it expires, such as 2027-06-30 (UTC) or 90d (from now), or never. Default:"
        " ISSUER_CLIENT_SECRET_TTL.",
        parser=_end,
    ),
    printed_as: _Output | None = option(
        "TEXT", "Print it as a Secret of Kubernetes, for kubectl apply.", "--output"
    ),
) -> None:
    """Create another secret for a client and show it once. The others keep working.

    Examples:

      issuer client secret create ci-bot
      issuer client secret create ci-bot --label github --expires-at 90d
      issuer client secret create ci-bot --output kubernetes | kubectl apply -f -
    """
    if printed_as and wants_json.get():
        raise typer.BadParameter("--output or --json, not both")
    fields = SecretFields.read(given(label=label, expires_at=expires_at))
    with changing() as work:
        created, secret = work.clients.add_secret(client, fields)
    if printed_as is _Output.KUBERNETES:
        output.print_json(_kubernetes_secret(read_settings().url, client, secret))
    else:
        output.show(created, client_secret=secret)


@secret_app.command("delete")
def delete_secret(
    client: ClientId,
    secret_id: str = argument("SECRET_ID", "The id of the secret."),
    and_its_tokens: bool = flag(
        "--and-its-tokens",
        "Revoke every token issued to the client so far, whichever secret it used.",
    ),
    yes: Yes = False,
) -> None:
    """Delete a secret. It is refused within a second; tokens stay valid by default.

    On a terminal it asks first.

    Examples:

      issuer client secret delete ci-bot secret_4v7hq2m8x1kd0c5tz9pa
      issuer client secret delete ci-bot secret_4v7hq2m8x1kd0c5t --and-its-tokens
    """
    for confirmation in confirming(yes=yes):
        with confirmation, changing() as work:
            secret = work.clients.secret(client, secret_id)
            work.clients.delete_secret(client, secret_id, and_its_tokens=and_its_tokens)
            losses = [f"delete the secret {_described(secret)} of {client}"]
            losses += [f"revoke every token of {client}"] if and_its_tokens else []
            confirmation.require_on_terminal(*losses)
    with_them = " The client's tokens are revoked." if and_its_tokens else ""
    output.say(f"Deleted the secret {secret_id}.{with_them}", {"deleted": secret_id})


def _described(secret: ClientSecret) -> str:
    """By the day of its last use: that of a question stays true while it waits for the answer."""
    label = f"{secret.label}, " if secret.label else ""
    used = secret.last_used_at
    return f"{secret.id} ({label}{f'last used on {used:%Y-%m-%d}' if used else 'never used'})"


def _kubernetes_secret(issuer: str, client_id: str, client_secret: str) -> dict[str, object]:
    """A Secret named like the client. kubectl reads JSON as well as YAML."""
    name = _NOT_IN_LABELS.sub("-", client_id.lower()).strip("-")[:_LABEL].rstrip("-")
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name or "client"},
        "type": "Opaque",
        "stringData": {"issuer": issuer, "client_id": client_id, "client_secret": client_secret},
    }


rotate_app = new_app("Replace the secret of a client without downtime: both work until you finish.")


@rotate_app.command("start")
def start_rotation(client: ClientId) -> None:
    """Create a second secret and show it once. The old ones work until you finish.

    Examples:

      issuer client rotate start ci-bot
    """
    with changing() as work:
        created, secret = work.rotations.start(client)
    output.show(created, client_secret=secret)


@rotate_app.command("status")
def show_rotation(client: ClientId) -> None:
    """Show when and from where each secret was last used, with a delay of some seconds.

    Examples:

      issuer client rotate status ci-bot
    """
    with reading() as work:
        secrets = work.clients.secrets(client)
    rotation = Rotation.of(secrets)
    parts = (
        {} if rotation is None else dict.fromkeys(rotation.ids, "old") | {rotation.new.id: "new"}
    )
    items = [{**each.model_dump(mode="json"), "part": parts.get(each.id)} for each in secrets]
    if wants_json.get():
        output.print_json({"under_way": rotation is not None, "items": items})
        return
    columns = ["id", "label", "part", "created_at", "last_used_at", "last_used_address"]
    output.show_all(items, columns)
    print("A rotation is under way." if rotation else "No rotation is under way.")


@rotate_app.command("finish")
def finish_rotation(client: ClientId, yes: Yes = False) -> None:
    """Delete the secrets older than the new one, and show when they were last used.

    Asks first if an old one was used in the last 24 hours, or the new one never.

    Examples:

      issuer client rotate finish ci-bot
      issuer client rotate finish ci-bot --yes
    """
    with reading() as work:
        rotation = work.rotations.get(client)
        warnings = work.rotations.warnings(rotation)
    if warnings and not yes:
        reasons = " ".join(warnings)
        if not sys.stdin.isatty():
            raise NotAllowed(f"{reasons} Add --yes to delete the old secrets.")
        if not typer.confirm(f"{reasons} Delete the old secrets?", err=True):
            raise NotAllowed("Nothing was deleted.")
    if not wants_json.get():
        for secret in rotation.old:
            output.print_text(f"The old secret {secret.id} {how_last_used(secret)}.")
    with changing() as work:
        if rotation.ids != work.rotations.get(client).ids:
            raise NotAllowed("The secrets changed meanwhile: see `issuer client rotate status`.")
        work.rotations.finish(client, force=yes or bool(warnings))
    deleted = [secret.model_dump(mode="json") for secret in rotation.old]
    output.say(
        f"Deleted the old secrets; the new secret {rotation.new.id} stays.",
        {"deleted": deleted, "kept": rotation.new.id},
    )


@rotate_app.command("cancel")
def cancel_rotation(client: ClientId, yes: Yes = False) -> None:
    """Delete the new secret. The old ones keep working. On a terminal it asks first.

    Examples:

      issuer client rotate cancel ci-bot
    """
    for confirmation in confirming(yes=yes):
        with confirmation, changing() as work:
            new = work.rotations.cancel(client)
            confirmation.require_on_terminal(f"delete the new secret {_described(new)} of {client}")
    output.say(f"Deleted the new secret {new.id}.", {"deleted": new.id})
