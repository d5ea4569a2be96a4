"""A signing key: its public part and its dates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from issuer.vocabulary import SigningAlgorithm


class KeyState(StrEnum):
    """announced → active → retired → destroyed."""

    ANNOUNCED = "announced"
    ACTIVE = "active"
    RETIRED = "retired"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A signing key. `kid` is the RFC 7638 thumbprint; `public_jwk` the RFC 7517 member.

    A key is published from `announced_at`, signs from `activates_at` until a newer key of its
    algorithm does, and is published until it is destroyed or revoked. An operator may activate it
    earlier, but not before `ready_at`, when every verifier has seen it.
    """

    kid: str
    alg: SigningAlgorithm
    public_jwk: Mapping[str, Any] = field(repr=False)
    announced_at: datetime
    ready_at: datetime
    activates_at: datetime
    revoked_at: datetime | None = None
    destroyed_at: datetime | None = None

    @property
    def is_usable(self) -> bool:
        """Whether it may still sign or verify anything."""
        return self.revoked_at is None and self.destroyed_at is None
