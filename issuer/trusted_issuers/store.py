"""Trusted issuers in SQL, and the clients that trust them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, literal, select

from issuer.database.store import Store
from issuer.database.tables import (
    AudienceRow,
    ClientRow,
    IdentityGroupRow,
    IdentityRow,
    ProviderRoleRow,
    RoleRow,
    TrustedIssuerRow,
    UserRow,
)
from issuer.errors import UnknownReference
from issuer.trusted_issuers.fields import WORKLOAD
from issuer.trusted_issuers.sign_in import GroupRole


class TrustedIssuerStore(Store[TrustedIssuerRow]):
    kind = "trusted issuer"
    row = TrustedIssuerRow
    searched = (TrustedIssuerRow.id,)
    sorted_by = {"id": TrustedIssuerRow.id, "issuer": TrustedIssuerRow.issuer}
    also_searched = (TrustedIssuerRow.issuer,)

    def clients_of(self, issuer_id: str) -> Sequence[ClientRow]:
        """The clients with a trust that names it."""
        query = select(ClientRow).where(_may_name(issuer_id))
        return [row for row in self.session.scalars(query) if _name(row.trusts, issuer_id)]

    def ids_of_clients_of(self, issuer_id: str, limit: int) -> list[str]:
        columns = select(ClientRow.client_id, ClientRow.trusts).where(_may_name(issuer_id))
        # In parts: most of what follows the first ones is never read.
        query = columns.order_by(ClientRow.client_id).execution_options(yield_per=limit)
        with self.session.execute(query) as rows:
            named = (row.client_id for row in rows if _name(row.trusts, issuer_id))
            return [*islice(named, limit)]

    def is_trusted_by(self, issuer_id: str, client_ids: Iterable[str]) -> bool:
        found = self.among(select(ClientRow.trusts), ClientRow.client_id, client_ids)
        return any(_name(trusts, issuer_id) for trusts in found)

    def of_people(self) -> Sequence[TrustedIssuerRow]:
        """The trusted issuers where people sign in, in order of id."""
        query = select(TrustedIssuerRow).where(TrustedIssuerRow.sign_in.is_not(None))
        return self.session.scalars(query.order_by(TrustedIssuerRow.id)).all()

    def add_role(self, issuer_id: str, mapping: GroupRole) -> None:
        """`UnknownReference` if there is no such role or audience."""
        if (role := self.session.get(RoleRow, mapping.role)) is None:
            raise UnknownReference("sign_in.roles", "role", mapping.role)
        if mapping.audience and self.session.get(AudienceRow, mapping.audience) is None:
            raise UnknownReference("sign_in.roles", "audience", mapping.audience)
        given = {"issuer_id": issuer_id, "group": mapping.group, "audience_id": mapping.audience}
        self.session.add(ProviderRoleRow(role=role, **given))

    def scopes_of_roles(self, names: Iterable[str]) -> list[str]:
        query = select(RoleRow.scopes).where(RoleRow.name.in_([*names]))
        return [scope for scopes in self.session.scalars(query) for scope in scopes]

    def remove_role(self, row: ProviderRoleRow) -> Sequence[str]:
        """The users who lose it: those in the group at their last sign-in there."""
        self.session.delete(row)
        group, identity = IdentityGroupRow, IdentityRow
        of_group = select(identity.user_id).join(group, group.identity_id == identity.id)
        here = of_group.where(identity.issuer_id == row.issuer_id, group.group == row.group)
        return self.session.scalars(here.distinct()).all()

    def forget_groups(self, issuer_id: str, but: Collection[str]) -> None:
        """Groups that give no role any more count again from the next sign-in on, if they do."""
        group, identity = IdentityGroupRow, IdentityRow
        of_issuer = select(identity.id).where(identity.issuer_id == issuer_id)
        query = select(group).where(group.identity_id.in_(of_issuer), group.group.not_in(but))
        for row in self.session.scalars(query):
            self.session.delete(row)

    def users_of(self, issuer_id: str, limit: int) -> Sequence[str]:
        """The names of some users with an account there, in order."""
        identity = IdentityRow
        query = select(UserRow.username).join(identity, identity.user_id == UserRow.id)
        here = query.where(identity.issuer_id == issuer_id).distinct()
        return self.session.scalars(here.order_by(UserRow.username).limit(limit)).all()

    def people_of(self, issuer_id: str, limit: int) -> list[tuple[str, str, str, datetime | None]]:
        """Some users with an account there: id, name, `sub`, and when they last signed in."""
        identity = IdentityRow
        columns = (UserRow.id, UserRow.username, identity.subject, identity.last_used_at)
        query = select(*columns).join(identity, identity.user_id == UserRow.id)
        here = query.where(identity.issuer_id == issuer_id).order_by(UserRow.username)
        return [(a, b, c, d) for a, b, c, d in self.session.execute(here.limit(limit))]

    def with_issuer(self, issuer: str, limit: int) -> Sequence[TrustedIssuerRow]:
        """The first by id that are for workloads with this `iss`."""
        query = select(TrustedIssuerRow).where(TrustedIssuerRow.issuer == issuer)
        rows = self.session.scalars(query.order_by(TrustedIssuerRow.id).limit(limit))
        return [row for row in rows if WORKLOAD in row.kinds]


def _may_name(issuer_id: str) -> ColumnElement[bool]:
    """A condition on clients, of which few have trusts and are in an index: `_name` decides."""
    trusts = cast(ClientRow.trusts, Text)
    has_trusts = trusts != literal("[]", literal_execute=True)
    return and_(has_trusts, trusts.contains(f'"{issuer_id}"', autoescape=True))


def _name(trusts: Iterable[Mapping[str, Any]], issuer_id: str) -> bool:
    return any(each["issuer"] == issuer_id for each in trusts)
