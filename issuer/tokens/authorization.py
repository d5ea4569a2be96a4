"""What a grant authorizes: the upper bound for a token. It is only ever narrowed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

from issuer.directory import AudienceRecord, ClientRecord, Rights, RoleGrant, UserRecord
from issuer.scopes import OPENID_SCOPES, counting_at, covered, covers, meet, narrow
from issuer.values import lazy_property
from issuer.vocabulary import ACCESS_TOKEN_TYPE, PROFILE_CLAIMS, UserRights

_NOBODY: Mapping[str, object] = {}


def scopes_through(
    client: ClientRecord, user: UserRecord, audience: AudienceRecord
) -> frozenset[str]:
    """What the user holds at the audience through the client: what both hold, or all."""
    held = user.rights.at(audience)
    return held if client.user_rights is UserRights.ALL else meet(held, client.rights.at(audience))


def _claims_at(
    audience: AudienceRecord, claims: Mapping[str, object], profile: Mapping[str, object] = _NOBODY
) -> Mapping[str, object]:
    """The custom claims, and the profile where the audience includes it: no claim contradicts it.

    So a client, which is nobody, has no name and address there.
    """
    if not audience.include_profile:
        return claims
    custom = {name: claims[name] for name in claims if name not in PROFILE_CLAIMS}
    return {**custom, **profile}


@dataclass(frozen=True)
class Authorization:
    """The subject, client and audience of a token, and the most scopes it may have.

    `rights` are those of the subject. `openid_scopes` are those of OpenID Connect: part of `scope`,
    but no rights. `act` names who acts for the subject (RFC 8693 §4.1). A token expires at
    `expires_by` at the latest; `ends_at` takes its rights into account as well. `jkt` is the
    thumbprint of the key to which it is bound (RFC 9449 §6.1).
    """

    # The `typ` of its tokens.
    typ: ClassVar[str] = ACCESS_TOKEN_TYPE

    subject: str
    client: ClientRecord
    audience: AudienceRecord
    scopes: frozenset[str]
    rights: Rights
    claims: Mapping[str, object] = field(default_factory=dict)
    session_id: str | None = None
    sid: str | None = None
    openid_scopes: frozenset[str] = frozenset()
    act: Mapping[str, object] | None = None
    expires_by: datetime | None = None
    jkt: str | None = None

    @classmethod
    def of_client(cls, client: ClientRecord, audience: AudienceRecord) -> "Authorization":
        """A client on its own behalf: all its scopes at the audience (RFC 6749 §4.4)."""
        return cls(
            subject=client.client_id,
            client=client,
            audience=audience,
            scopes=client.rights.at(audience),
            rights=client.rights,
            claims=_claims_at(audience, client.claims),
        )

    @classmethod
    def of_user(
        cls, user: UserRecord, client: ClientRecord, audience: AudienceRecord
    ) -> "Authorization":
        """A user through a client: what the user holds at the audience, as the client allows."""
        return cls(
            subject=user.id,
            client=client,
            audience=audience,
            scopes=scopes_through(client, user, audience),
            rights=user.rights,
            claims=_claims_at(audience, user.claims, user.profile),
        )

    def narrowed_to(self, requested: Iterable[str] | None) -> "Authorization":
        """This authorization with exactly the `requested` scopes; None keeps all that are held.

        `ScopeNotCovered` names the first scope that is not covered, `InvalidScope` the first
        malformed one. Scopes are chosen only here, so that no grant can widen them. Those of
        OpenID Connect are ignored where they are not held, and ask for no others.
        """
        if requested is None:
            return self
        requested = list(requested)
        rights = [scope for scope in requested if scope not in OPENID_SCOPES]
        return replace(
            self,
            scopes=narrow(self.scopes, rights) if rights else self.scopes,
            openid_scopes=self.openid_scopes.intersection(requested),
        )

    def within(self, granted: Iterable[str]) -> "Authorization":
        """This authorization with no more than was `granted` before.

        A granted scope that is still covered as a whole keeps its spelling.
        """
        granted = frozenset(granted)
        whole = frozenset(scope for scope in granted if covers(self.scopes, scope))
        partial = (scope for scope in meet(granted, self.scopes) if not covers(whole, scope))
        return replace(self, scopes=whole.union(partial))

    @property
    def needs_key(self) -> bool:
        """Whether no token may be issued that is not bound to a key."""
        return self.client.dpop_bound_access_tokens or self.audience.require_dpop

    @lazy_property
    def ends_at(self) -> datetime | None:
        """When a token expires at the latest: `expires_by`, or when the first right in it ends."""
        ends = [self.expires_by, self.rights.end_of(self.scopes, self.audience)]
        if self.client.user_rights is not UserRights.ALL:  # what the client holds limits it, too
            ends.append(self.client.rights.end_of(self.scopes, self.audience))
        if self.audience.include_roles:
            ends += [grant.expires_at for grant in self._roles()]
        return min((end for end in ends if end is not None), default=None)

    @lazy_property
    def common_claims(self) -> Mapping[str, Any]:
        """The claims that all tokens of this authorization share.

        `scope` is the standard claim (RFC 9068 §2.2.3), `scopes` the one AgentOS reads: an array
        also for one scope or none, since AgentOS reads a string as one scope.
        """
        scopes = sorted(self.scopes)
        claims: dict[str, Any] = {
            **self.claims,
            "sub": self.subject,
            "aud": self.audience.id,
            "client_id": self.client.client_id,
            "scope": " ".join([*sorted(self.openid_scopes), *scopes]),
            "scopes": scopes,
        }
        if self.sid is not None:
            claims["sid"] = self.sid
        if self.audience.include_roles:
            claims["roles"] = self.role_names()
        if self.session_id is not None:
            claims["session_id"] = self.session_id
        if self.act is not None:
            claims["act"] = self.act
        if self.jkt is not None:
            claims["cnf"] = {"jkt": self.jkt}
        return claims

    def role_names(self) -> list[str]:
        """The roles of the subject at the audience all of whose scopes are covered.

        An AgentOS may let roles decide: a role must not bring back what narrowing took. Scopes that
        do not count at the audience are disregarded; a role without others is not named.
        """
        return sorted({grant.role for grant in self._roles()})

    def _roles(self) -> list[RoleGrant]:
        audience = self.audience
        grants = self.rights.roles_at(audience.id, is_own=audience.is_own)
        return [grant for grant in grants if self._covers_all(grant.scopes)]

    def _covers_all(self, scopes: Iterable[str]) -> bool:
        counting = counting_at(scopes, own_audience=self.audience.is_own)
        return bool(counting) and covered(self.scopes, counting) == counting
