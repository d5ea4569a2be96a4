"""The rules for assigning roles, the same for users, groups and clients."""

from collections.abc import Sequence
from typing import Self

from issuer.audiences.store import AudienceStore
from issuer.audit import Trail
from issuer.authority import Authority
from issuer.database import Session
from issuer.database.tables import AssignmentRow
from issuer.directory import Rights, Through
from issuer.directory.store import load_role_grants
from issuer.errors import InvalidField, NotAllowed, NotFound
from issuer.fields.fields import Fields
from issuer.fields.ids import fold_id
from issuer.revocations import Revocations
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


class HeldRole(Assignment):
    """A role that a principal holds. `via` is null where it is assigned to the principal itself."""

    via: Through | None = None

    def __str__(self) -> str:
        through = f" through {self.via}" if self.via else ""
        return f"{self.role} {self.where}{through}"


class Assignments(AssignmentStore):
    """Roles assigned to principals, and the rules for assigning them."""

    def __init__(
        self, session: Session, trail: Trail, authority: Authority, revocations: Revocations
    ) -> None:
        super().__init__(session)
        self._trail = trail
        self._authority = authority
        self._revocations = revocations

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

    def held_by(self, principal_id: str) -> list[HeldRole]:
        """The roles that the principal holds: its own by role, then audience, then the others."""
        return self.held_by_each([principal_id])[principal_id]

    def held_by_each(self, principal_ids: Sequence[str]) -> dict[str, list[HeldRole]]:
        """The roles that each holds, those of a user through groups and trusted issuers included.

        By the id of the principal; in the order of `held_by`. One query.
        """
        grants = load_role_grants(self.session, principal_ids)
        return {
            each: sorted(
                (HeldRole(role=g.role, audience=g.audience_id, via=g.through) for g in held),
                key=_in_order,
            )
            for each, held in grants.items()
        }

    def rights_of(self, principal_id: str) -> Rights:
        """What the principal holds by roles, as in a token."""
        grants = load_role_grants(self.session, [principal_id])
        return Rights(frozenset(), grants[principal_id])

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
        """`NotFound` if the principal does not have exactly this assignment.

        If the principal is a group, the access tokens of its members are revoked.
        """
        if (row := self._find(principal_id, assignment)) is None:
            raise NotFound("assignment of the role", assignment.role)
        self._authority.authorize_change(scopes=row.role.scopes)
        self.session.delete(row)
        self.session.flush()
        details = assignment.model_dump()
        if not self._revocations.revoke_access_of(self.members(row.folded_id)):
            details["access_tokens_revoked"] = False
        self._trail.note("role.unassigned", principal_id, **details)

    def _find(self, principal_id: str, assignment: Assignment) -> AssignmentRow | None:
        return self.assignment(fold_id(principal_id), assignment.role, assignment.audience)


def _in_order(held: HeldRole) -> tuple[bool, tuple[str, ...]]:
    via = held.via
    through = (via.name, via.group_id or "", via.issuer_id or "") if via else ()
    return via is not None, (held.role, held.audience or "", *through)
