"""Where private keys live. A backend signs; a private part never leaves it."""

from collections.abc import Collection, Mapping
from typing import Protocol

from issuer.keys.backends.sql import SqlKeyBackend
from issuer.keys.schedule import NewKey
from issuer.keys.signing_key import SigningKey


class KeyBackend(Protocol):
    """A key management system or a hardware module can be one."""

    def load(self) -> list[SigningKey]:
        """Every key there is, destroyed ones included; those that may sign are made ready to."""

    def create(self, wanted: NewKey) -> SigningKey:
        """Make a key. Slow, and the key is nobody's before it is stored."""

    def store(self, created: Collection[SigningKey], *, seen: Collection[SigningKey]) -> bool:
        """Keep `created`, if the usable keys are still those in `seen`; False if they are not."""

    def destroy(self, kid: str) -> None:
        """The private part is gone for good; the public part and the dates are kept."""

    def sign(self, kid: str, header: Mapping[str, object], payload: bytes) -> str:
        """A JWS in compact form, signed by that one key (RFC 7515 §7.1)."""


__all__ = ["KeyBackend", "SqlKeyBackend"]
