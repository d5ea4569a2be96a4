"""Identities in SQL: the accounts at trusted issuers with which users sign in."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import select, update

from issuer.database.store import Statements
from issuer.database.tables import (
    IdentityGroupRow,
    IdentityRow,
    ProviderRoleRow,
    TrustedIssuerRow,
)


class IdentityStore(Statements):
    def find(self, issuer_id: str, subject: str) -> IdentityRow | None:
        row = IdentityRow
        return self.one(row, row.issuer_id == issuer_id, row.subject == subject)

    def of_user(self, user_id: str) -> Sequence[IdentityRow]:
        """The identities of the user, oldest first."""
        query = select(IdentityRow).where(IdentityRow.user_id == user_id)
        return self.session.scalars(query.order_by(IdentityRow.created_at, IdentityRow.id)).all()

    def of_issuer(self, issuer_id: str) -> Sequence[IdentityRow]:
        """The identities at the trusted issuer, in order of their users."""
        query = select(IdentityRow).where(IdentityRow.issuer_id == issuer_id)
        return self.session.scalars(query.order_by(IdentityRow.user_id, IdentityRow.id)).all()

    def note_use(self, identity_id: str, name: str, now: datetime) -> None:
        """Note a sign-in without a change of the row: the token path need not see it."""
        used = update(IdentityRow).where(IdentityRow.id == identity_id)
        self.session.execute(used.values(last_used_at=now, name=name))

    def note_signal(self, issuer_id: str, way: str, now: datetime) -> None:
        """Note the day on which the trusted issuer sent a signal, as `note_use` does."""
        last, day = self.last_signals(issuer_id), f"{now:%Y-%m-%d}"
        if last.get(way) != day:
            sent = update(TrustedIssuerRow).where(TrustedIssuerRow.id == issuer_id)
            self.session.execute(sent.values(last_signals={**last, way: day}))

    def last_signals(self, issuer_id: str) -> dict[str, str]:
        """The day of the last signal of the trusted issuer, by the way in which it came."""
        row = TrustedIssuerRow
        found = self.session.scalars(select(row.last_signals).where(row.id == issuer_id))
        return found.one_or_none() or {}

    def roles_of(self, issuer_id: str) -> Sequence[ProviderRoleRow]:
        """The roles that the trusted issuer gives, in order of group, role and audience."""
        row = ProviderRoleRow
        query = select(row).where(row.issuer_id == issuer_id)
        return self.session.scalars(query.order_by(row.group, row.role_name, row.audience_id)).all()

    def groups_of(self, identity_ids: Sequence[str]) -> dict[str, list[str]]:
        """The groups of each identity, in order."""
        found: dict[str, list[str]] = {each: [] for each in identity_ids}
        row = IdentityGroupRow
        query = select(row).where(row.identity_id.in_(identity_ids))
        for group in self.session.scalars(query.order_by(row.group)):
            found[group.identity_id].append(group.group)
        return found

    def add_groups(self, identity_id: str, groups: Iterable[str]) -> None:
        rows = [IdentityGroupRow(identity_id=identity_id, group=each) for each in sorted(groups)]
        self.session.add_all(rows)
        self.session.flush()

    def remove_groups(self, identity_id: str, groups: Iterable[str]) -> None:
        for group in sorted(groups):
            key = {"identity_id": identity_id, "group": group}
            self.session.delete(self.session.get_one(IdentityGroupRow, key))
        self.session.flush()
