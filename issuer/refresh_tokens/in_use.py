"""A refresh token in use: what is asked with it, and what goes out with the next."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from issuer.audit import Actor, Trail
from issuer.clock import Clock
from issuer.database import Session
from issuer.refresh_tokens.family import Family
from issuer.tokens import AccessToken


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """What a request to refresh asks for; None where it leaves it to us."""

    scopes: Iterable[str] | None
    session_id: str | None

    @property
    def digest(self) -> bytes:
        """Equal for requests for the same: a client that did not get its answer sends it again."""
        scopes = None if self.scopes is None else sorted(set(self.scopes))
        return hashlib.sha256(json.dumps([scopes, self.session_id]).encode()).digest()


@dataclass(frozen=True, slots=True)
class Presented:
    """A token that may be used now, as far as its family goes. Nothing has been changed yet.

    `successor` is there already where a lost answer is asked for again.
    """

    family: Family
    asked: RefreshRequest
    token: str = field(repr=False)
    successor: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Issue:
    """An access token about to go out with a refresh token, and what the record says of it."""

    access_token: AccessToken
    actor: Actor
    details: Mapping[str, object]

    @property
    def expires_at(self) -> datetime:
        return datetime.fromtimestamp(self.access_token.exp, UTC)

    def record(self, session: Session, clock: Clock, family: Family) -> None:
        """In the transaction that gives the refresh token: none leaves unrecorded."""
        trail = Trail(session, clock, self.actor)
        trail.note("token.issued", family.user_id, **self.details, family=family.id)
