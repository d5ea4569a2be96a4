"""Rotating a client's secret: create a second one, deploy it everywhere, delete the first.

A rotation is not stored: it is derived from the client's secrets.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from pydantic import BaseModel

from issuer.clients.client import ClientSecret, SecretFields
from issuer.clients.clients import Clients
from issuer.clock import Clock
from issuer.errors import NotAllowed

LABEL = "rotation"
STILL_IN_USE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Rotation:
    """The `new` secret, and the `old` ones it replaces, oldest first."""

    new: ClientSecret
    old: tuple[ClientSecret, ...]

    @classmethod
    def of(cls, secrets: Iterable[ClientSecret]) -> Self | None:
        """The rotation in progress: the newest secret made for one, if older secrets exist."""
        by_age = sorted(secrets, key=lambda secret: secret.created_at)
        if not (for_rotation := [secret for secret in by_age if secret.label == LABEL]):
            return None
        new = for_rotation[-1]
        others = (secret for secret in by_age if secret is not new)
        old = tuple(secret for secret in others if secret.created_at <= new.created_at)
        return cls(new, old) if old else None

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all its secrets, the new one first."""
        return (self.new.id, *(secret.id for secret in self.old))


def parts_of(secrets: Iterable[ClientSecret]) -> dict[str, str]:
    """What the secrets of the rotation in progress are in it, `new` or `old`, by id."""
    rotation = Rotation.of(secrets)
    return dict.fromkeys(rotation.ids, "old") | {rotation.new.id: "new"} if rotation else {}


def how_last_used(secret: ClientSecret) -> str:
    """The last stored use, as the end of a sentence. Stored uses lag by some seconds."""
    if secret.last_used_at is None:
        return "has never been used"
    place = f" from {secret.last_used_address}" if secret.last_used_address else ""
    return f"was last used at {secret.last_used_at:%Y-%m-%d %H:%M:%S} UTC{place}"


class RotationInProgress(BaseModel):
    """A rotation: the new secret, the old ones it replaces, and warnings about finishing now."""

    new: ClientSecret
    old: list[ClientSecret]
    warnings: list[str]


class FinishedRotation(BaseModel):
    """The deleted secrets, and the id of the one that is left."""

    deleted: list[ClientSecret]
    kept: str

    @property
    def last_uses(self) -> str:
        """When each deleted one was last used, a sentence on a line each."""
        return "\n".join(f"The old secret {it.id} {how_last_used(it)}." for it in self.deleted)


class Rotations:
    """Rotations, within the transaction of `clients`. Errors are those of `issuer.errors`."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock

    def find(self, client_id: str) -> Rotation | None:
        """The rotation of the client, if one is in progress."""
        return Rotation.of(self._clients.secrets(client_id))

    def get(self, client_id: str) -> Rotation:
        """The rotation of the client; `NotAllowed` if none is in progress."""
        if (rotation := self.find(client_id)) is None:
            raise NotAllowed(f"No rotation of the secrets of {client_id} is in progress.")
        return rotation

    def start(self, client_id: str) -> tuple[ClientSecret, str]:
        """The new secret, which cannot be shown again; all others stay valid."""
        if rotation := self.find(client_id):
            raise NotAllowed(
                f"A rotation to the secret {rotation.new.id} is in progress. Finish or cancel it."
            )
        if not self._clients.secrets(client_id):
            raise NotAllowed(f"The client {client_id} has no secret to replace. Create one.")
        return self._clients.add_secret(client_id, SecretFields(label=LABEL))

    def warnings(self, rotation: Rotation) -> list[str]:
        """Reasons why finishing it now may lock clients out, as sentences."""
        now = self._clock()
        warnings = [
            f"The old secret {secret.id} {how_last_used(secret)}: less than 24 hours ago."
            for secret in rotation.old
            if secret.last_used_at is not None and now - secret.last_used_at < STILL_IN_USE
        ]
        if rotation.new.last_used_at is None:
            warnings.append(f"The new secret {rotation.new.id} has never been used.")
        return warnings

    def finish(self, client_id: str, *, force: bool = False) -> Rotation:
        """Delete the old secrets. `NotAllowed` while there are warnings, unless `force`."""
        rotation = self.get(client_id)
        if not force and (warnings := self.warnings(rotation)):
            raise NotAllowed(" ".join(warnings))
        for secret in rotation.old:
            self._clients.delete_secret(client_id, secret.id)
        return rotation

    def cancel(self, client_id: str) -> ClientSecret:
        """Delete the new secret and return its metadata."""
        new = self.get(client_id).new
        self._clients.delete_secret(client_id, new.id)
        return new
