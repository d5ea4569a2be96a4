"""The records of the directory. Immutable, so that any thread may keep one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from issuer.algorithms import AlgorithmInUse
from issuer.scopes import counting_at
from issuer.vocabulary import GrantType


@dataclass(frozen=True, slots=True)
class AudienceRecord:
    """An audience as a token sees it. `is_own`: the issuer's admin API."""

    id: str
    signing_alg: AlgorithmInUse
    access_token_ttl: timedelta | None
    include_roles: bool
    is_own: bool


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role assigned to a principal, at one audience or (None) everywhere, with its scopes."""

    role: str
    audience_id: str | None
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rights:
    """What a principal holds: its own scopes, and roles."""

    direct: frozenset[str]
    roles: tuple[RoleGrant, ...]

    def at(self, audience: AudienceRecord) -> frozenset[str]:
        """The scopes that apply at `audience`."""
        held = self.direct.union(*(grant.scopes for grant in self.roles_at(audience)))
        return counting_at(held, own_audience=audience.is_own)

    def roles_at(self, audience: AudienceRecord) -> list[RoleGrant]:
        """The roles assigned at `audience` or everywhere."""
        return [grant for grant in self.roles if grant.audience_id in {None, audience.id}]


@dataclass(frozen=True, slots=True)
class SecretRecord:
    id: str
    digest: bytes = field(repr=False)
    expires_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or self.expires_at > now


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """A client with everything its token requests may need."""

    client_id: str
    disabled: bool
    grant_types: frozenset[GrantType]
    audiences: Mapping[str, AudienceRecord]
    access_token_ttl: timedelta | None
    claims: Mapping[str, object]
    may_set_session: bool
    rights: Rights
    secrets: tuple[SecretRecord, ...]

    def live_secrets(self, now: datetime) -> list[SecretRecord]:
        """The secrets that have not expired."""
        return [secret for secret in self.secrets if secret.is_live(now)]


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user as a token sees one."""

    id: str
    username: str
    disabled: bool
    claims: Mapping[str, object]
    rights: Rights
    password_hash: str | None = field(repr=False)
