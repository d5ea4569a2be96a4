"""The use of a refresh token: the request, the token presented, the access token issued."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from issuer.audit import Actor, Trails
from issuer.database import Session
from issuer.refresh_tokens.family import Family
from issuer.tokens import AccessToken


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """What a request to refresh asks for; None where it leaves a parameter out."""

    scopes: Iterable[str] | None
    session_id: str | None

    @property
    def digest(self) -> bytes:
        """Equal for equal requests: a client that did not get its response sends it again."""
        scopes = None if self.scopes is None else sorted(set(self.scopes))
        return hashlib.sha256(json.dumps([scopes, self.session_id]).encode()).digest()


@dataclass(frozen=True, slots=True)
class Presented:
    """A token whose family allows its use now. Nothing is changed yet.

    `successor` is set where the client repeats a request because its response was lost.
    """

    family: Family
    asked: RefreshRequest
    token: str = field(repr=False)
    successor: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Issue:
    """An access token that is stored with something else, and the details of its audit event."""

    access_token: AccessToken
    actor: Actor
    details: Mapping[str, object]

    @property
    def expires_at(self) -> datetime:
        return datetime.fromtimestamp(self.access_token.exp, UTC)

    def record(
        self, trails: Trails, session: Session, user_id: str, family_id: str | None = None
    ) -> None:
        """Write the audit event, in the transaction that stores what the token depends on."""
        named = {} if family_id is None else {"family": family_id}
        trail = trails.begin(session, self.actor)
        trail.note("token.issued", user_id, **self.details, **named)
