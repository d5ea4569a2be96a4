"""Roles and their assignments in SQL."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, func, or_, select

from issuer.database.store import Statements, Store, begins_with
from issuer.database.tables import AssignmentRow, ClientRow, RoleRow, UserRow
from issuer.fields.ids import fold_id
from issuer.fields.usernames import fold_username
from issuer.vocabulary import RegisteredBy

_LOOKED_AT = 10_000


class RoleStore(Store[RoleRow]):
    kind = "role"
    row = RoleRow
    searched = (RoleRow.name,)

    def assignments_of_role(self, name: str, limit: int | None = None) -> Sequence[AssignmentRow]:
        query = select(AssignmentRow).where(AssignmentRow.role_name == name).limit(limit)
        return self.session.scalars(query).all()


class AssignmentStore(Statements):
    """Roles assigned to principals, within one transaction."""

    def assignments_of_each(self, folded_ids: Sequence[str]) -> Sequence[AssignmentRow]:
        """The assignments of several principals, in one query and no order."""
        query = select(AssignmentRow).where(AssignmentRow.folded_id.in_(folded_ids))
        return self.session.scalars(query).all()

    def holders(self, name: str, after: str, limit: int) -> Sequence[str]:
        """The folded ids of at most `limit` principals with the role, after that one, in order."""
        query = select(AssignmentRow.folded_id).distinct().where(AssignmentRow.role_name == name)
        return self._ids(query, after, limit)

    def count_holders(self, name: str, most: int) -> int:
        """How many principals have the role, but no more than `most`."""
        return self._count(AssignmentRow.role_name == name, most)

    def users_at(self, audience_id: str, after: str, limit: int) -> list[str]:
        """The folded ids of users with a role there or everywhere, as `holders` gives them."""
        found: set[str] = set()
        is_user = select(UserRow.id).where(UserRow.folded_id == AssignmentRow.folded_id).exists()
        for where in (
            AssignmentRow.audience_id == audience_id,
            AssignmentRow.audience_id.is_(None),
        ):
            query = select(AssignmentRow.folded_id).distinct().where(where, is_user)
            found.update(self._ids(query, after, limit))
        return sorted(found)[:limit]

    def users_found_at(self, audience_id: str, text: str, limit: int) -> list[str]:
        """Such users whose id or name begins with `text`, among the first `_LOOKED_AT` that do."""
        found: dict[str, None] = {}
        for column, prefix in (
            (UserRow.folded_id, fold_id(text)),
            (UserRow.folded_username, fold_username(text)),
        ):
            begin = select(UserRow.folded_id, column.label("found")).where(
                begins_with(column, prefix)
            )
            some = begin.order_by(column).limit(_LOOKED_AT).subquery()
            has_role = select(AssignmentRow.id).where(
                AssignmentRow.folded_id == some.c.folded_id,
                or_(AssignmentRow.audience_id == audience_id, AssignmentRow.audience_id.is_(None)),
            )
            query = select(some.c.folded_id).where(has_role.exists()).order_by(some.c.found)
            found |= dict.fromkeys(self.session.scalars(query.limit(limit)))
        return list(found)[:limit]

    def count_at(self, audience_id: str, most: int) -> int:
        """How many principals have a role at exactly this audience, but no more than `most`."""
        return self._count(AssignmentRow.audience_id == audience_id, most)

    def _count(self, where: ColumnElement[bool], most: int) -> int:
        some = select(AssignmentRow.folded_id).distinct().where(where).limit(most)
        return self.session.scalar(select(func.count()).select_from(some.subquery())) or 0

    def _ids(self, query: Select[str], after: str, limit: int) -> Sequence[str]:
        query = query.where(AssignmentRow.folded_id > after).order_by(AssignmentRow.folded_id)
        return self.session.scalars(query.limit(limit)).all()

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
