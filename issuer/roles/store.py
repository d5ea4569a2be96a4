"""Roles and their assignments in SQL."""

from collections.abc import Sequence

from sqlalchemy import select

from issuer.database.store import Store
from issuer.database.tables import AssignmentRow, ClientRow, RoleRow
from issuer.vocabulary import RegisteredBy


class RoleStore(Store[RoleRow]):
    kind = "role"
    row = RoleRow
    searched = (RoleRow.name,)

    def assignments_of_role(self, name: str, limit: int | None = None) -> Sequence[AssignmentRow]:
        query = select(AssignmentRow).where(AssignmentRow.role_name == name).limit(limit)
        return self.session.scalars(query).all()

    def assignments_of(self, folded_id: str) -> Sequence[AssignmentRow]:
        """The assignments of a principal, in a stable order."""
        query = select(AssignmentRow).where(AssignmentRow.folded_id == folded_id)
        rows = self.session.scalars(query).all()
        return sorted(rows, key=lambda row: (row.role_name, row.audience_id or ""))

    def assignments_of_each(self, folded_ids: Sequence[str]) -> Sequence[AssignmentRow]:
        """The assignments of several principals, in one query and no order."""
        query = select(AssignmentRow).where(AssignmentRow.folded_id.in_(folded_ids))
        return self.session.scalars(query).all()

    def assignment(
        self, folded_id: str, role_name: str, audience_id: str | None
    ) -> AssignmentRow | None:
        return self.session.scalars(
            select(AssignmentRow)
            .where(AssignmentRow.folded_id == folded_id, AssignmentRow.role_name == role_name)
            .where(AssignmentRow.audience_id.is_not_distinct_from(audience_id))
        ).one_or_none()

    def is_self_registered(self, folded_id: str) -> bool:
        """Whether the principal is a client that no administrator made."""
        query = select(ClientRow.registered_by).where(ClientRow.folded_id == folded_id)
        return self.session.scalar(query) not in {None, RegisteredBy.ADMIN}
