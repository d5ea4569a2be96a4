"""Holders of rights at the issuer itself, in SQL."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from issuer.clock import Clock
from issuer.database import Session
from issuer.database.held_roles import IN_GROUPS, LASTS, THROUGH_ISSUERS, is_live
from issuer.database.store import in_parts
from issuer.database.tables import (
    AssignmentRow,
    ClientAudienceRow,
    ClientRow,
    ClientScopeExpiryRow,
    ClientSecretRow,
    GroupRow,
    PasskeyRow,
    ProviderRoleRow,
    RoleRow,
    TotpSecretRow,
    UserRow,
)
from issuer.fields.ids import fold_id
from issuer.scopes import ISSUER_ADMIN, counting_at
from issuer.vocabulary import AuthMethod, GrantType, UserRights

_MEMBERS = sa.select(UserRow.folded_id).select_from(IN_GROUPS)


@dataclass(frozen=True, slots=True)
class Privileged:
    """Clients that only admins may change, and audiences at which they assigned roles."""

    clients: frozenset[str]
    audiences: frozenset[str]


@dataclass(frozen=True, slots=True)
class PrivilegeSnapshot:
    """Folded ids of those with rights at the issuer, and the trusted issuers of such clients."""

    holders: frozenset[str]
    trusted_issuers: frozenset[str]


@dataclass(eq=False, repr=False)
class AuthorityStore:
    """Questions about the issuer's own audience, within one transaction.

    Rights that have ended give nothing; what has them is protected until they are deleted.
    """

    _session: Session
    _clock: Clock
    own_audience: str  # its id: `ISSUER_URL`
    users_sign_in: bool = field(kw_only=True)

    def scopes_by_role(self, folded_id: str, *which: sa.ColumnElement[bool]) -> list[str]:
        """Scopes by roles that count at the issuer; of assignments those that fulfil `which`."""
        groups = sa.select(GroupRow.folded_id).select_from(IN_GROUPS)
        of_member = groups.where(UserRow.folded_id == folded_id)
        principals = sa.union_all(sa.select(sa.literal(folded_id)), of_member)
        assigned = sa.select(AssignmentRow.role_name).where(AssignmentRow.folded_id.in_(principals))
        mapped = self._people_here(ProviderRoleRow.role_name).where(UserRow.folded_id == folded_id)
        names = sa.union_all(assigned.where(self._counts_here(), *which), mapped)
        roles = self._session.scalars(sa.select(RoleRow).where(RoleRow.name.in_(names)))
        return [scope for role in roles for scope in role.scopes]

    def scopes_held(self, principal_id: str, since: datetime | None = None) -> frozenset[str]:
        """The scopes at the issuer that the principal, as old as `since`, can use now."""
        row = self._session.get(UserRow, principal_id) or self._session.get(ClientRow, principal_id)
        if row is None or row.disabled or (since is not None and row.created_at > since):
            return frozenset()
        now, direct = self._clock(), list[str]()
        if isinstance(row, ClientRow):
            if self.own_audience not in {each.audience_id for each in row.audiences}:
                return frozenset()
            direct, _ = row.live_scopes(now)
        held = [*direct, *self.scopes_by_role(fold_id(principal_id), is_live(now))]
        return counting_at(held, own_audience=True)

    def privilege_snapshot(self) -> PrivilegeSnapshot:
        """Who holds rights at the issuer now."""
        by_role = self._holders_of_roles(self._roles(_names_any(RoleRow.scopes)))
        clients = self._clients_among(by_role)
        query = sa.select(ClientRow.folded_id, ClientRow.trusts)
        parts = (query.where(ClientRow.client_id.in_(ids)) for ids in in_parts(clients))
        rows = [row for part in parts for row in self._session.execute(part)]
        relied_on = {trust["issuer"] for row in rows for trust in row.trusts or []}
        holders = frozenset(by_role.union(row.folded_id for row in rows))
        return PrivilegeSnapshot(holders, frozenset(relied_on))

    def has_admin(self) -> bool:
        """Whether some client or user can get a token with `issuer:admin` at any later time.

        Nothing that ends or expires counts: after the last one, no admin could give others.
        """
        admins = self._admin_clients()
        if any(GrantType.CLIENT_CREDENTIALS in client.grant_types for client in admins):
            return True
        by_password = any(GrantType.PASSWORD in client.grant_types for client in admins)
        with_password = self.users_sign_in and by_password
        in_browser = self.has_client_for_browsers(admins)
        return (with_password or in_browser) and self._has_admin_user(in_browser=in_browser)

    def has_client_for_browsers(self, admins: Iterable[ClientRow] = ()) -> bool:
        """Whether users can use `issuer:admin` by one of the `admins`, or one of all rights."""
        query = self._clients_here().where(ClientRow.user_rights == UserRights.ALL)
        clients = [*admins, *self._session.scalars(query)]
        return any(GrantType.AUTHORIZATION_CODE in client.grant_types for client in clients)

    def with_lasting_secret(self, client_ids: Iterable[str]) -> set[str]:
        """The clients among these with a secret that does not expire."""
        row = ClientSecretRow
        lasting = (row.client_id.in_(list(client_ids)), row.expires_at.is_(None))
        query = sa.select(row.client_id).where(*lasting)
        return set(self._session.scalars(query))

    def who_can_sign_in(self, user_ids: Iterable[str], *, in_browser: bool) -> set[str]:
        """The users among these with a password or, in a browser, a passkey."""
        query = sa.select(UserRow.id).where(UserRow.id.in_(list(user_ids)), _signs_in(in_browser))
        return set(self._session.scalars(query))

    def _admin_clients(self) -> list[ClientRow]:
        """Enabled clients with lasting `issuer:admin` here, which can authenticate at any time."""
        ends = ClientRow.scope_expiries.any(ClientScopeExpiryRow.scope == ISSUER_ADMIN)
        holds_role = ClientRow.folded_id.in_(self._holders_of_admin_roles(LASTS))
        holds_admin = sa.or_(sa.and_(_names_admin(ClientRow.scopes), ~ends), holds_role)
        return list(self._session.scalars(self._clients_here().where(holds_admin)))

    def _clients_here(self) -> sa.Select[ClientRow]:
        """Enabled clients of this audience that can authenticate at any later time."""
        at = ClientAudienceRow
        here = (at.audience_id == self.own_audience, ClientRow.disabled.is_(False))
        can_authenticate = sa.or_(
            ClientRow.token_endpoint_auth_method == AuthMethod.NONE,
            ClientRow.secrets.any(ClientSecretRow.expires_at.is_(None)),
            ClientRow.jwks.is_not(None),
            ClientRow.jwks_uri.is_not(None),
        )
        query = sa.select(ClientRow).join(at, at.client_id == ClientRow.client_id)
        return query.where(*here, can_authenticate)

    def _has_admin_user(self, *, in_browser: bool) -> bool:
        query = sa.select(UserRow.id).where(*self._is_admin_user(LASTS, in_browser=in_browser))
        return self._session.scalars(query.limit(1)).first() is not None

    def has_admin_in_browser(self) -> bool:
        """Whether an enabled user with lasting `issuer:admin` here has a password or a passkey."""
        return self._has_admin_user(in_browser=True)

    def admins_with_password_alone(self) -> int:
        """The number of enabled users with `issuer:admin` here that have no second factor."""
        is_live_now = is_live(self._clock())
        query = sa.select(sa.func.count()).where(
            *self._is_admin_user(is_live_now, in_browser=False)
        )
        return self._session.scalar(query) or 0

    def _is_admin_user(
        self, assigned: sa.ColumnElement[bool], *, in_browser: bool
    ) -> list[sa.ColumnElement[bool]]:
        """By such assignments, not through a trusted issuer, which may take away what it gives."""
        held_by = self._holders_of_admin_roles(assigned)
        in_group = _MEMBERS.where(GroupRow.folded_id.in_(held_by))
        holds_admin = sa.or_(UserRow.folded_id.in_(held_by), UserRow.folded_id.in_(in_group))
        return [UserRow.disabled.is_(False), _signs_in(in_browser), holds_admin]

    def _holders_of_admin_roles(self, assigned: sa.ColumnElement[bool]) -> Sequence[str]:
        return self._assignees_here(self._roles(_names_admin(RoleRow.scopes)), assigned)

    def _roles(self, such: sa.ColumnElement[bool]) -> Sequence[str]:
        return self._session.scalars(sa.select(RoleRow.name).where(such)).all()

    def _assignees_here(
        self, roles: Collection[str], *which: sa.ColumnElement[bool]
    ) -> Sequence[str]:
        """Folded ids of those to whom one of the roles is assigned so that it counts here.

        Not by a join, which SQLite begins with every assignment that counts everywhere.
        """
        query = sa.select(AssignmentRow.folded_id).where(AssignmentRow.role_name.in_(roles))
        return self._session.scalars(query.where(self._counts_here(), *which)).all()

    def _holders_of_roles(self, roles: Collection[str]) -> set[str]:
        """Folded ids of those who hold one of the roles here, groups and their members included."""
        assigned = self._assignees_here(roles)
        queries = [_MEMBERS.where(GroupRow.folded_id.in_(part)) for part in in_parts(assigned)]
        named = self._people_here(UserRow.folded_id).where(ProviderRoleRow.role_name.in_(roles))
        found = (each for query in (*queries, named) for each in self._session.scalars(query))
        return {*assigned, *found}

    def _people_here(self, column: InstrumentedAttribute[str]) -> sa.Select[str]:
        """A column of people and the roles that trusted issuers give them at the issuer itself."""
        people = sa.select(column).select_from(THROUGH_ISSUERS)
        return people.where(ProviderRoleRow.audience_id == self.own_audience)

    def privileged(self) -> Privileged:
        """Found from the few roles, assignments and audiences that give rights here."""
        roles = self._roles(_names_any(RoleRow.scopes))
        columns = sa.select(AssignmentRow.folded_id, AssignmentRow.audience_id)
        assigned = self._session.execute(columns.where(AssignmentRow.role_name.in_(roles))).all()
        here = {None, self.own_audience}
        holders = {row.folded_id for row in assigned if row.audience_id in here}
        mapped = sa.select(ProviderRoleRow.audience_id).where(ProviderRoleRow.role_name.in_(roles))
        audiences = {row.audience_id for row in assigned} | {*self._session.scalars(mapped)}
        return Privileged(self._clients_among(holders), frozenset(filter(None, audiences)))

    def _clients_among(self, holders: Collection[str]) -> frozenset[str]:
        """Clients among the holders, and clients with scopes of their own or this audience."""
        ids = sa.select(ClientRow.client_id)
        at = ClientAudienceRow
        may_request = sa.select(at.client_id).where(at.audience_id == self.own_audience)
        queries = [ids.where(_names_any(ClientRow.scopes)), may_request]
        queries += [ids.where(ClientRow.folded_id.in_(part)) for part in in_parts(holders)]
        return frozenset(each for query in queries for each in self._session.scalars(query))

    def _counts_here(self) -> sa.ColumnElement[bool]:
        """By no index of audiences: a million may hold a role everywhere."""
        return sa.func.coalesce(AssignmentRow.audience_id, self.own_audience) == self.own_audience


def _signs_in(in_browser: bool) -> sa.ColumnElement[bool]:
    """With a password (but the grant refuses a second factor); in a browser also a passkey."""
    passkey = sa.select(PasskeyRow.id).where(PasskeyRow.user_id == UserRow.id).exists()
    if in_browser:
        return sa.or_(UserRow.password_hash.is_not(None), passkey)
    totp = sa.select(TotpSecretRow.id).where(TotpSecretRow.user_id == UserRow.id).exists()
    return sa.and_(UserRow.password_hash.is_not(None), ~passkey, ~totp)


def _names_admin(scopes: InstrumentedAttribute[list[str]]) -> sa.ColumnElement[bool]:
    return sa.cast(scopes, sa.Text).contains(f'"{ISSUER_ADMIN}"')


def _names_any(scopes: InstrumentedAttribute[list[str]]) -> sa.ColumnElement[bool]:
    """Whether one is of the issuer. Without a parameter, so that the index serves it."""
    return sa.cast(scopes, sa.Text).like(sa.literal('%"issuer:%', literal_execute=True))
