"""The rules for giving roles, the same for users and clients."""

from collections.abc import Sequence
from typing import Self

from issuer.audiences.store import AudienceStore
from issuer.audit import Trail
from issuer.authority import Authority
from issuer.database import Session
from issuer.database.tables import AssignmentRow
from issuer.errors import InvalidField, NotFound
from issuer.fields import Fields, fold_id
from issuer.roles.store import RoleStore


class Assignment(Fields):
    """A role at one audience, or (None) at all of them."""

    role: str
    audience: str | None = None

    @classmethod
    def of(cls, role: str, audience: str | None, *, everywhere: bool) -> Self:
        """As an operator says it: at an audience or everywhere, else `InvalidField`."""
        if (audience is None) != everywhere:
            raise InvalidField("audience", "name an audience, or say everywhere=true: one of them")
        return cls(role=role, audience=audience)


class Assignments:
    """What principals have been given, within one transaction."""

    def __init__(self, session: Session, trail: Trail, authority: Authority) -> None:
        self._store = RoleStore(session)
        self._trail = trail
        self._authority = authority

    def of(self, principal_id: str) -> list[Assignment]:
        """What the principal has, by role, then audience."""
        return [
            Assignment(role=row.role_name, audience=row.audience_id)
            for row in self._store.assignments_of(fold_id(principal_id))
        ]

    def of_each(self, principal_ids: Sequence[str]) -> dict[str, list[Assignment]]:
        """What each of a page of principals has, by its id, in no order; in one query."""
        given: dict[str, list[Assignment]] = {fold_id(each): [] for each in principal_ids}
        for row in self._store.assignments_of_each(list(given)):
            given[row.folded_id].append(Assignment(role=row.role_name, audience=row.audience_id))
        return {each: given[fold_id(each)] for each in principal_ids}

    def assign(self, principal_id: str, assignment: Assignment) -> None:
        """Idempotent. `NotFound` if there is no such role or audience."""
        self._authority.authorize_change(scopes=self._store.get(assignment.role).scopes)
        if assignment.audience is not None:
            AudienceStore(self._store.session).get(assignment.audience)
        if self._found(principal_id, assignment):
            return
        self._store.session.add(
            AssignmentRow(
                folded_id=fold_id(principal_id),
                role_name=assignment.role,
                audience_id=assignment.audience,
            )
        )
        self._store.session.flush()
        self._trail.note("role.assigned", principal_id, **assignment.model_dump())

    def unassign(self, principal_id: str, assignment: Assignment) -> None:
        """`NotFound` if the principal does not have exactly this assignment."""
        if (row := self._found(principal_id, assignment)) is None:
            raise NotFound("assignment of the role", assignment.role)
        self._authority.authorize_change(scopes=row.role.scopes)
        self._store.session.delete(row)
        self._store.session.flush()
        self._trail.note("role.unassigned", principal_id, **assignment.model_dump())

    def _found(self, principal_id: str, assignment: Assignment) -> AssignmentRow | None:
        return self._store.assignment(fold_id(principal_id), assignment.role, assignment.audience)
