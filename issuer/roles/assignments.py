"""The rules for assigning roles, the same for users and clients."""

from collections.abc import Sequence
from typing import Self

from issuer.audiences.store import AudienceStore
from issuer.audit import Trail
from issuer.authority import Authority
from issuer.database import Session
from issuer.database.tables import AssignmentRow
from issuer.errors import InvalidField, NotAllowed, NotFound
from issuer.fields.fields import Fields
from issuer.fields.ids import fold_id
from issuer.roles.store import AssignmentStore, RoleStore


class Assignment(Fields):
    """A role at one audience, or at all of them if `audience` is null."""

    role: str
    audience: str | None = None

    @classmethod
    def of(cls, role: str, audience: str | None, *, everywhere: bool) -> Self:
        """At `audience` or everywhere; `InvalidField` for both or neither."""
        if (audience is None) != everywhere:
            raise InvalidField("audience", "pass either an audience or everywhere=true")
        return cls(role=role, audience=audience)

    @property
    def where(self) -> str:
        """In words: `at my-os`, or `everywhere`."""
        return "everywhere" if self.audience is None else f"at {self.audience}"


class Assignments(AssignmentStore):
    """Roles assigned to principals, and the rules for assigning them."""

    def __init__(self, session: Session, trail: Trail, authority: Authority) -> None:
        super().__init__(session)
        self._trail = trail
        self._authority = authority

    def of(self, principal_id: str) -> list[Assignment]:
        """The assignments of the principal, by role, then audience."""
        found = self.of_each([principal_id])[principal_id]
        return sorted(found, key=lambda each: (each.role, each.audience or ""))

    def of_each(self, principal_ids: Sequence[str]) -> dict[str, list[Assignment]]:
        """The assignments of each principal, by its id, in no order; one query."""
        assigned: dict[str, list[Assignment]] = {fold_id(each): [] for each in principal_ids}
        for row in self.assignments_of_each(list(assigned)):
            assigned[row.folded_id].append(Assignment(role=row.role_name, audience=row.audience_id))
        return {each: assigned[fold_id(each)] for each in principal_ids}

    def assign(self, principal_id: str, assignment: Assignment) -> None:
        """Idempotent. `NotFound` without role or audience; `NotAllowed` if it registered itself."""
        if self.is_self_registered(fold_id(principal_id)):
            raise NotAllowed(f"The client {principal_id} registered itself and can have no role.")
        self._authority.authorize_change(scopes=RoleStore(self.session).get(assignment.role).scopes)
        if assignment.audience is not None:
            AudienceStore(self.session).get(assignment.audience)
        if self._find(principal_id, assignment):
            return
        self.session.add(
            AssignmentRow(
                folded_id=fold_id(principal_id),
                role_name=assignment.role,
                audience_id=assignment.audience,
            )
        )
        self.session.flush()
        self._trail.note("role.assigned", principal_id, **assignment.model_dump())

    def unassign(self, principal_id: str, assignment: Assignment) -> None:
        """`NotFound` if the principal does not have exactly this assignment."""
        if (row := self._find(principal_id, assignment)) is None:
            raise NotFound("assignment of the role", assignment.role)
        self._authority.authorize_change(scopes=row.role.scopes)
        self.session.delete(row)
        self.session.flush()
        self._trail.note("role.unassigned", principal_id, **assignment.model_dump())

    def _find(self, principal_id: str, assignment: Assignment) -> AssignmentRow | None:
        return self.assignment(fold_id(principal_id), assignment.role, assignment.audience)
