"""Rotating the secret of a client: a second one, time to bring it everywhere, the end of the first.

Nothing is kept about it: it follows from the secrets there are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from issuer.clients.client import ClientSecret, SecretFields
from issuer.clients.clients import Clients
from issuer.clock import Clock
from issuer.errors import NotAllowed

LABEL = "rotation"
STILL_IN_USE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Rotation:
    """The `new` secret, and the `old` ones that it follows, oldest first."""

    new: ClientSecret
    old: tuple[ClientSecret, ...]

    @classmethod
    def of(cls, secrets: Iterable[ClientSecret]) -> Self | None:
        """The one under way: the youngest secret made for a rotation, if any is older still."""
        by_age = sorted(secrets, key=lambda secret: secret.created_at)
        made = [secret for secret in by_age if secret.label == LABEL]
        if not made:
            return None
        new = made[-1]
        others = (secret for secret in by_age if secret is not new)
        old = tuple(secret for secret in others if secret.created_at <= new.created_at)
        return cls(new, old) if old else None

    @property
    def ids(self) -> tuple[str, ...]:
        """Of all its secrets, the new one first."""
        return (self.new.id, *(secret.id for secret in self.old))

    def warnings(self, now: datetime) -> list[str]:
        """Why finishing at `now` may lock somebody out, in sentences."""
        warnings = [
            f"The old secret {secret.id} {how_last_used(secret)}: less than 24 hours ago."
            for secret in self.old
            if secret.last_used_at is not None and now - secret.last_used_at < STILL_IN_USE
        ]
        if self.new.last_used_at is None:
            warnings.append(f"The new secret {self.new.id} has never been used.")
        return warnings


def how_last_used(secret: ClientSecret) -> str:
    """What is on record of it, as the end of a sentence. A running server is seconds ahead."""
    if secret.last_used_at is None:
        return "has never been used"
    place = f" from {secret.last_used_address}" if secret.last_used_address else ""
    return f"was last used at {secret.last_used_at:%Y-%m-%d %H:%M:%S} UTC{place}"


class Rotations:
    """Rotations, within the transaction of `clients`. Errors are those of `issuer.errors`."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock

    def find(self, client_id: str) -> Rotation | None:
        """The rotation of the client, if one is under way."""
        return Rotation.of(self._clients.secrets(client_id))

    def get(self, client_id: str) -> Rotation:
        """The rotation of the client; `NotAllowed` if none is under way."""
        if (rotation := self.find(client_id)) is None:
            raise NotAllowed(f"No rotation of the secrets of {client_id} is under way.")
        return rotation

    def start(self, client_id: str) -> tuple[ClientSecret, str]:
        """The new secret, which nobody can show again; all others stay."""
        if rotation := self.find(client_id):
            raise NotAllowed(
                f"A rotation to the secret {rotation.new.id} is under way: finish or cancel it."
            )
        if not self._clients.secrets(client_id):
            raise NotAllowed(f"The client {client_id} has no secret to replace: create one.")
        return self._clients.add_secret(client_id, SecretFields(label=LABEL))

    def warnings(self, rotation: Rotation) -> list[str]:
        """Why finishing it now may lock somebody out, in sentences."""
        return rotation.warnings(self._clock())

    def finish(self, client_id: str, *, force: bool = False) -> Rotation:
        """The old secrets are refused from now on. `NotAllowed` in doubt, unless `anyway`."""
        rotation = self.get(client_id)
        if not force and (warnings := self.warnings(rotation)):
            raise NotAllowed(" ".join(warnings))
        for secret in rotation.old:
            self._clients.delete_secret(client_id, secret.id)
        return rotation

    def cancel(self, client_id: str) -> ClientSecret:
        """The new secret is refused from now on; that one is given back."""
        new = self.get(client_id).new
        self._clients.delete_secret(client_id, new.id)
        return new
