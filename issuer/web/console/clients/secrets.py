"""The secrets of a client: add and delete them, and replace them without downtime."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from starlette.responses import Response

from issuer.clients import (
    CLIENT,
    ClientSecret,
    Rotation,
    SecretFields,
    SecretState,
    how_last_used,
)
from issuer.composition import UnitOfWork
from issuer.errors import NotAllowed
from issuer.web.console.clients.credentials import show_credentials
from issuer.web.console.screens.action import Confirmation
from issuer.web.console.screens.resource import ResourceScreen
from issuer.web.console.screens.views import Command

_THEN = (
    "Deploy the new secret wherever the service reads it. The old one keeps working.",
    "Look at the page of the client: it says when and from where each secret was last used.",
    "When nothing uses the old one any more, finish the rotation there. It deletes the old one.",
)


def secrets_in_list(
    work: UnitOfWork, client_id: str, now: datetime
) -> Iterator[tuple[ClientSecret, str, bool]]:
    """Each with what it is in a rotation, `new` or `old`, else empty; and whether it is expired."""
    secrets = work.clients.secrets(client_id)
    rotation = Rotation.of(secrets)
    old = rotation.ids[1:] if rotation else ()
    for each in secrets:
        part = "old" if each.id in old else "new" if rotation and each is rotation.new else ""
        yield each, part, each.state_at(now) is SecretState.EXPIRED


def rotation_evidence(work: UnitOfWork, client_id: str) -> dict[str, Any] | None:
    """For the template, which old secrets were used after the new one was made.

    `warnings` say why not to finish. None if no rotation is in progress.
    """
    if (rotation := work.rotations.find(client_id)) is None:
        return None
    began = rotation.new.created_at
    used_since = [s for s in rotation.old if s.last_used_at is not None and s.last_used_at >= began]
    warnings = work.rotations.warnings(rotation)
    return {"new": rotation.new, "old_used_since": used_since, "warnings": warnings}


def add_secret(screen: ResourceScreen) -> Response:
    key = screen.key
    day = screen.form.get("expires_at", "").strip()
    members = {"label": screen.form.get("label", "").strip()}
    members |= {"expires_at": f"{day}T00:00:00Z"} if day else {}
    fields = SecretFields.read(members)
    with screen.operator.work_once(CLIENT.write) as work:
        _, secret = work.clients.add_secret(key, fields)
    given = {name: value for name, value in members.items() if value}
    options = [part for n, v in given.items() for part in (f"--{n.replace('_', '-')}", v)]
    cli = ("secret", "create", key, *options)
    command = screen.command(cli, "POST", "secrets", body=given)
    return show_credentials(
        screen, screen.resource, secret, f"A secret of {key} is added.", [command]
    )


def delete_secret(screen: ResourceScreen) -> Response:
    key, secret_id = screen.key, screen.form.get("secret_id", "")

    def question(work: UnitOfWork) -> Confirmation:
        secret = work.clients.secret(key, secret_id)
        return (
            f"Delete the secret {secret.label or secret_id} of {key}?",
            f"It {how_last_used(secret)}. It is refused within a second; tokens that it gave stay"
            " valid until they expire. This cannot be undone.",
            "Delete secret",
        )

    return screen.confirmed(
        question,
        screen.command(("secret", "delete", key, secret_id), "DELETE", "secrets", secret_id),
        lambda work: work.clients.delete_secret(key, secret_id),
        f"The secret {secret_id} is deleted.",
        {"secret_id": secret_id},
    )


def start_rotation(screen: ResourceScreen) -> Response:
    key = screen.key
    with screen.operator.work_once(CLIENT.write) as work:
        _, secret = work.rotations.start(key)
    command = screen.command(("rotate", "start", key), "POST", "rotation")
    return show_credentials(
        screen, screen.resource, secret, f"{key} has a second secret.", [command], _THEN
    )


def finish_rotation(screen: ResourceScreen) -> Response:
    """Asks with the warnings, and only deletes the secrets that were named then."""
    key = screen.key
    force, ids = screen.form.get("force") == "yes", screen.form.get("ids", "")
    if not screen.is_confirmed:
        return _ask_to_finish(screen)
    with screen.operator.work(CLIENT.write) as work:
        if " ".join(work.rotations.get(key).ids) != ids:
            raise NotAllowed("The secrets changed meanwhile.")
        rotation = work.rotations.finish(key, force=force)
    deleted = ", ".join(secret.id for secret in rotation.old)
    return screen.finished(f"Deleted {deleted}; the new secret stays.", _to_finish(screen, force))


def _ask_to_finish(screen: ResourceScreen) -> Response:
    with screen.operator.work(CLIENT.read) as work:
        rotation = work.rotations.get(screen.key)
        warnings = work.rotations.warnings(rotation)
    old = ", ".join(secret.id for secret in rotation.old)
    question = (
        f"Finish the rotation of {screen.key}?",
        " ".join([*warnings, f"{old} will be refused within a second. This cannot be undone."]),
        "Delete the old secret despite this" if warnings else "Delete the old secret",
    )
    return screen.confirm(
        question,
        _to_finish(screen, bool(warnings)),
        {"ids": " ".join(rotation.ids), **({"force": "yes"} if warnings else {})},
    )


def _to_finish(screen: ResourceScreen, force: bool) -> Command:
    cli = ("rotate", "finish", screen.key, *(["--yes"] if force else []))
    query = "force=true" if force else ""
    return screen.command(cli, "POST", "rotation", "finish", query=query)


def cancel_rotation(screen: ResourceScreen) -> Response:
    key = screen.key

    def question(work: UnitOfWork) -> Confirmation:
        new = work.rotations.get(key).new
        return (
            f"Cancel the rotation of {key}?",
            f"The new secret {new.id} is deleted. It {how_last_used(new)}. The old one keeps"
            " working.",
            "Delete the new secret",
        )

    return screen.confirmed(
        question,
        screen.command(("rotate", "cancel", key), "DELETE", "rotation"),
        lambda work: work.rotations.cancel(key),
        lambda new: f"The new secret {new.id} is deleted.",
    )
