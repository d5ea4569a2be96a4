"""The secrets on the page of a client, and how far a rotation is."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from issuer.clients import ClientSecret, Rotation, SecretState
from issuer.composition import UnitOfWork


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
