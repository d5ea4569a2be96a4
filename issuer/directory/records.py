"""The records of the directory. Immutable, so that any thread may keep one."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from issuer.algorithms import AlgorithmInUse
from issuer.scopes import counting_at, covered
from issuer.vocabulary import AuthMethod, GrantType, RegisteredBy, UserRights


@dataclass(frozen=True, slots=True)
class AudienceRecord:
    """An audience as a token sees it. `is_own`: the issuer's admin API.

    `include_profile`: its tokens say name and verified address of the user. `require_dpop`: all
    are bound to a key.
    """

    id: str
    signing_alg: AlgorithmInUse
    access_token_ttl: timedelta | None
    include_roles: bool
    is_own: bool
    resources: tuple[str, ...] = ()
    include_profile: bool = False
    require_dpop: bool = False

    def is_named(self, name: str) -> bool:
        """Whether `name` is its id or one of its resources, a trailing slash ignored."""
        return name == self.id or name.removesuffix("/") in {self.id, *self.resources}


@dataclass(frozen=True, slots=True)
class Through:
    """The group `name` that gives a role: `group_id` here, or at the trusted issuer `issuer_id`."""

    name: str
    group_id: str | None = None
    issuer_id: str | None = None

    def __str__(self) -> str:
        group = f"the group {self.name}"
        return f"{group} at {self.issuer_id}" if self.issuer_id else group


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role assigned to a principal, at one audience or (None) everywhere, with its scopes.

    None for `through`: assigned to the principal itself. None for `expires_at`: it lasts.
    """

    role: str
    audience_id: str | None
    scopes: frozenset[str]
    through: Through | None = None
    expires_at: datetime | None = None

    def counts_at(self, audience_id: str | None, *, is_own: bool) -> bool:
        """Whether it is for that audience; for None, for every AgentOS.

        A trusted issuer gives rights at the issuer's own audience only where it is named.
        """
        if self.audience_id is not None:
            return self.audience_id == audience_id
        from_issuer = self.through is not None and self.through.issuer_id is not None
        return not (is_own and from_issuer)


@dataclass(frozen=True, slots=True)
class Rights:
    """What a principal holds: its own scopes, and roles. Nothing in it had ended when it was read.

    `direct_ends` has when those of its own scopes end that do; `next_end` is when the first of all
    rights ends, None if all last.
    """

    direct: frozenset[str]
    roles: tuple[RoleGrant, ...]
    direct_ends: Mapping[str, datetime] = field(default_factory=dict)
    next_end: datetime | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        ends = [*self.direct_ends.values(), *(grant.expires_at for grant in self.roles)]
        first = min((end for end in ends if end is not None), default=None)
        object.__setattr__(self, "next_end", first)

    def at(self, audience: AudienceRecord) -> frozenset[str]:
        """The scopes that apply at `audience`."""
        return self.scopes_at(audience.id, is_own=audience.is_own)

    def scopes_at(self, audience_id: str | None, *, is_own: bool) -> frozenset[str]:
        """The scopes that apply at an audience; for None, at every AgentOS."""
        held = [grant.scopes for grant in self.roles_at(audience_id, is_own=is_own)]
        return counting_at(self.direct.union(*held), own_audience=is_own)

    def roles_at(self, audience_id: str | None, *, is_own: bool) -> list[RoleGrant]:
        """The roles held at the audience or everywhere; for None only those everywhere."""
        return [grant for grant in self.roles if grant.counts_at(audience_id, is_own=is_own)]

    def end_of(self, scopes: Collection[str], audience: AudienceRecord) -> datetime | None:
        """When the first of these scopes is no longer held at the audience; None if all last."""
        if self.next_end is None:
            return None
        roles = self.roles_at(audience.id, is_own=audience.is_own)
        last = [grant.scopes for grant in roles if grant.expires_at is None]
        lasting = self.direct.difference(self.direct_ends).union(*last)
        ending = [(end, frozenset([scope])) for scope, end in self.direct_ends.items()]
        ending += [(grant.expires_at, grant.scopes) for grant in roles if grant.expires_at]
        first: datetime | None = None
        left = frozenset(scopes) - covered(lasting, scopes)
        for end, held in sorted(ending, key=itemgetter(0), reverse=True):
            if found := covered(held, left):
                first, left = end, left - found
        return first


@dataclass(frozen=True, slots=True)
class SecretRecord:
    id: str
    digest: bytes = field(repr=False)
    expires_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or self.expires_at > now


@dataclass(frozen=True, slots=True)
class MayAct:
    """A client may exchange a person's token for one audience for one for another (RFC 8693)."""

    from_audience: str
    to_audience: str


@dataclass(frozen=True, slots=True, order=True)
class ActingClient:
    """A client that may act for people at an audience.

    Where `is_external`, that is another authorization server, with its `resource`, `scopes`.
    """

    client_id: str
    audience_id: str
    is_external: bool = False
    resource: str = ""
    scopes: tuple[str, ...] = ()

    def includes(self, other: "ActingClient") -> bool:
        """Whether somebody who was told of this one was told of all that the other may do."""
        return self.place == other.place and {*other.scopes} <= {*self.scopes}

    @property
    def place(self) -> tuple[object, ...]:
        """Where it acts, whatever it may do there."""
        return self.client_id, self.audience_id, self.is_external, self.resource


@dataclass(frozen=True, slots=True)
class ExternalAudience:
    """A resource of the authorization server `issuer`, and the client's id and scopes there."""

    issuer: str
    resource: str
    client_id: str
    scopes: frozenset[str]

    def actor(self, client_id: str, scopes: Iterable[str]) -> ActingClient:
        """The client of this issuer, as it acts there with `scopes`."""
        place = (client_id, self.issuer, True, self.resource)
        return ActingClient(*place, tuple(sorted(scopes)))

    def is_named(self, resource: str) -> bool:
        """Whether that is the resource, a trailing slash ignored, which many clients add."""
        return resource.removesuffix("/") == self.resource.removesuffix("/")


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """A client with everything its requests may need.

    `audiences` of a client that registered itself are all but the issuer's own.
    """

    client_id: str
    token_endpoint_auth_method: AuthMethod
    grant_types: frozenset[GrantType]
    audiences: Mapping[str, AudienceRecord]
    user_rights: UserRights
    registered_by: RegisteredBy
    name: str = ""
    disabled: bool = False
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    trusts: tuple[Mapping[str, Any], ...] = ()
    access_token_ttl: timedelta | None = None
    claims: Mapping[str, object] = field(default_factory=dict)
    may_set_session: bool = False
    rights: Rights = Rights(frozenset(), ())
    secrets: tuple[SecretRecord, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    first_party: bool = False
    pinned: bool = False
    may_act: frozenset[MayAct] = frozenset()
    external_audiences: tuple[ExternalAudience, ...] = ()
    dpop_bound_access_tokens: bool = False
    require_pushed_authorization_requests: bool = False
    require_pkce: bool = True

    @property
    def is_public(self) -> bool:
        """Whether it has no credentials, so that its refresh tokens are bound to its key."""
        return self.token_endpoint_auth_method is AuthMethod.NONE

    @property
    def needs_pkce(self) -> bool:
        """Whether it gets no code without a challenge (RFC 7636)."""
        return self.require_pkce or self.is_public

    @property
    def is_self_registered(self) -> bool:
        """Whether no administrator made it: then it has no rights of its own."""
        return self.registered_by is not RegisteredBy.ADMIN

    @property
    def is_fetched(self) -> bool:
        """Whether its metadata document must be read before a person is asked."""
        by_document = self.registered_by is RegisteredBy.METADATA
        return by_document and not self.pinned and not self.disabled

    def audience_for(self, asked: Iterable[str]) -> "AudienceRecord | NoAudience":
        """The audience of a token (RFC 8707 §2): the one that is `asked` for, or its only one."""
        found = {}
        for name in asked:
            if (audience := self._by_name(name)) is None:
                return NoAudience("The client may not have tokens for this audience.", name)
            found[audience.id] = audience
        if len(found) > 1:
            return NoAudience("A token is for one audience.")
        if not found and len(self.audiences) != 1:
            return NoAudience("Name the audience of the token.")
        return next(iter(found.values() or self.audiences.values()))

    def _by_name(self, name: str) -> AudienceRecord | None:
        found = self.audiences.get(name)
        return found or next((a for a in self.audiences.values() if a.is_named(name)), None)


@dataclass(frozen=True, slots=True)
class NoAudience:
    """Why a token can be for no audience; `name` is the one that is not permitted."""

    reason: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """How people sign in with an account of a trusted issuer: as its OpenID Connect client.

    `only`: the one way to sign in, but for administrators. `sealed_secret`: None if public.
    `shown`: people see the button with its `name`, or its id. `sign_out`: signing out here signs
    them out there.
    """

    client_id: str
    scopes: tuple[str, ...]
    username_claim: str
    groups_claim: str | None
    provision: bool
    required_claims: Mapping[str, Any]
    only: bool
    id_jag: bool
    sealed_secret: bytes | None = field(repr=False)
    name: str = ""
    shown: bool = True
    sign_out: bool = True


@dataclass(frozen=True, slots=True)
class TrustedIssuerRecord:
    """Another issuer, with its `keys`, of workloads or people; else `sign_in` is None."""

    id: str
    issuer: str
    algorithms: tuple[str, ...]
    keys: Mapping[str, Any]
    ca_certificate: str | None
    typ: str | None
    kinds: frozenset[str]
    allow_private_addresses: bool
    disabled: bool
    sign_in: ProviderRecord | None = None

    @property
    def is_trust_domain(self) -> bool:
        """Whether it is a SPIFFE trust domain, whose tokens have no `iss`."""
        return self.issuer.startswith("spiffe://")

    @property
    def is_for_workloads(self) -> bool:
        """Whether its tokens may authenticate clients."""
        return "workload" in self.kinds and not self.disabled

    @property
    def is_for_people(self) -> bool:
        """Whether people may sign in there."""
        return "people" in self.kinds and self.sign_in is not None and not self.disabled

    @property
    def is_shown(self) -> bool:
        """Whether people may sign in there, and see its button."""
        return self.is_for_people and self.sign_in is not None and self.sign_in.shown

    @property
    def is_only_way(self) -> bool:
        """Whether people sign in there and, but for administrators, in no other way."""
        return self.is_for_people and self.sign_in is not None and self.sign_in.only


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user as a token sees one."""

    id: str
    username: str
    name: str
    email: str | None
    email_verified: bool
    disabled: bool
    claims: Mapping[str, object]
    rights: Rights
    password_hash: str | None = field(repr=False)
    has_second_factor: bool

    @property
    def profile(self) -> dict[str, object]:
        """The claims that say who it is: `name`, and `email` once it is verified."""
        email = self.email if self.email_verified else None
        return {name: said for name, said in (("name", self.name), ("email", email)) if said}
