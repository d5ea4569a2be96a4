"""The rules for assigning roles, the same for users, groups and clients."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from issuer.audiences.store import AudienceStore
from issuer.database.tables import AssignmentRow
from issuer.directory import Rights, RoleGrant, Through
from issuer.directory.store import load_role_grants
from issuer.errors import InvalidField, NotAllowed, NotFound
from issuer.fields.fields import Fields
from issuer.fields.ids import fold_id
from issuer.fields.times import End, has_ended, in_json, is_earlier, until
from issuer.resources import Transaction
from issuer.roles.store import AssignmentStore, RoleStore

ENDS_SOON = timedelta(days=7)
_JUST_NOW = timedelta(days=1)
_AT_ONCE = 100
_NOT_REVOKED: dict[str, Any] = {"access_tokens_revoked": False}


class RolePlace(Fields):
    """A role at one audience, or at all of them if `audience` is null."""

    role: str
    audience: str | None = None

    @property
    def place(self) -> tuple[str, str | None]:
        """Role and audience: a principal has at most one assignment of each."""
        return self.role, self.audience

    @property
    def where(self) -> str:
        """In words: `at my-os`, or `everywhere`."""
        return "everywhere" if self.audience is None else f"at {self.audience}"


class Assignment(RolePlace):
    """A role at one audience, or at all of them if `audience` is null.

    From `expires_at` on it gives nothing; null if it lasts.
    """

    expires_at: End | None = None


class HeldRole(Assignment):
    """A role that a principal holds. `via` is null where it is assigned to the principal itself."""

    via: Through | None = None

    @classmethod
    def from_grant(cls, grant: RoleGrant) -> Self:
        """A role as the directory has it."""
        return cls(
            role=grant.role,
            audience=grant.audience_id,
            expires_at=grant.expires_at,
            via=grant.through,
        )

    def __str__(self) -> str:
        through = f" through {self.via}" if self.via else ""
        return f"{self.role} {self.where}{through}{until(self.expires_at)}"


@dataclass(frozen=True, slots=True)
class EndingRole:
    """A role that ends at `end`, of the client, user or group (`kind`) with this id."""

    kind: str
    principal_id: str
    role: str
    where: str
    end: datetime


class Assignments(AssignmentStore):
    """Assigning roles to principals. What has ended counts as not assigned before it is deleted."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction.session, transaction.clock)
        self._trail = transaction.trail
        self._authority = transaction.authority
        self._revocations = transaction.revocations

    def of(self, principal_id: str) -> list[Assignment]:
        """The assignments of the principal, by role, then audience."""
        found = self.of_each([principal_id])[principal_id]
        return sorted(found, key=lambda each: (each.role, each.audience or ""))

    def find(self, principal_id: str, assignment: RolePlace) -> Assignment | None:
        """What is assigned at exactly this place, with its end; None if nothing is."""
        row = self._find(principal_id, assignment)
        return None if row is None or has_ended(row.expires_at, self._clock()) else _assignment(row)

    def of_each(self, principal_ids: Sequence[str]) -> dict[str, list[Assignment]]:
        """The assignments of each principal, by its id, in no order; one query."""
        assigned: dict[str, list[Assignment]] = {fold_id(each): [] for each in principal_ids}
        for row in self.assignments_of_each(list(assigned)):
            assigned[row.folded_id].append(_assignment(row))
        return {each: assigned[fold_id(each)] for each in principal_ids}

    def roles_of(self, principal_id: str) -> list[HeldRole]:
        """The roles that the principal holds: its own by role, then audience, then the others."""
        return self.roles_of_all([principal_id])[principal_id]

    def roles_of_all(self, principal_ids: Sequence[str]) -> dict[str, list[HeldRole]]:
        """The roles that each holds, those of a user through groups and trusted issuers included.

        By the id of the principal; in the order of `roles_of`. One query.
        """
        grants = load_role_grants(self.session, principal_ids, self._clock())
        return {
            each: sorted(map(HeldRole.from_grant, held), key=_in_order)
            for each, held in grants.items()
        }

    def rights_of(self, principal_id: str) -> Rights:
        """What the principal holds by roles, as in a token."""
        grants = load_role_grants(self.session, [principal_id], self._clock())
        return Rights(frozenset(), grants[principal_id])

    def assign(self, principal_id: str, assignment: Assignment, reason: str = "") -> None:
        """Assign the role, or change when an existing assignment ends. Idempotent.

        `NotFound` without role or audience; `NotAllowed` if it registered itself; `InvalidField`
        for an end in the past. Where it ends earlier than before, the access tokens issued so far
        are revoked: new ones expire in time. `reason` is for the audit log.
        """
        folded_id, now = fold_id(principal_id), self._clock()
        if self.is_self_registered(folded_id):
            raise NotAllowed(f"The client {principal_id} registered itself and can have no role.")
        self._authorize(principal_id, RoleStore(self.session).get(assignment.role).scopes)
        if assignment.audience is not None:
            AudienceStore(self.session).get(assignment.audience)
        require_end_to_come(assignment.expires_at, now)
        row = self._find(principal_id, assignment)
        details: dict[str, Any] = {}
        if row is not None and has_ended(row.expires_at, now):
            self._delete_expired(row, principal_id)
            row = None
        if row is None:
            role_name, audience_id = assignment.place
            row = AssignmentRow(folded_id=folded_id, role_name=role_name, audience_id=audience_id)
            self.session.add(row)
        elif row.expires_at == assignment.expires_at:
            return
        else:
            details = self._moving(row, assignment.expires_at)
        grantor = self._authority.grantor
        row.given_by, row.given_as, row.given_at = grantor.by, grantor.given_as, now
        row.expires_at, row.reason = assignment.expires_at, reason or None
        self.session.flush()
        self._note("role.assigned", principal_id, row, reason, **details)

    def unassign(self, principal_id: str, assignment: RolePlace, reason: str = "") -> None:
        """`NotFound` if the principal does not have the role at exactly this audience.

        If the principal is a group, the access tokens of its members are revoked. Those of a user
        or a client are not: the next one lacks the role. `reason` is for the audit log.
        """
        row = self._find(principal_id, assignment)
        if row is None or has_ended(row.expires_at, self._clock()):
            raise NotFound("assignment of the role", assignment.role)
        self._authorize(principal_id, row.role.scopes)
        self._delete(row)
        is_revoked = self._revocations.revoke_access_of(self.members(row.folded_id))
        details = {} if is_revoked else _NOT_REVOKED
        self._note("role.unassigned", principal_id, row, reason, **details)

    def ending_soon(self, kinds: Collection[str], limit: int) -> list[EndingRole]:
        """What ends within `ENDS_SOON`, the first ones first, but not what was given just now.

        Of principals of these kinds.
        """
        now = self._clock()
        rows = self.ending(kinds, (now, now + ENDS_SOON), now - _JUST_NOW, limit)
        ids = self.ids({row.folded_id for row, _ in rows})
        return [
            EndingRole(kind, ids[row.folded_id], row.role_name, _assignment(row).where, end)
            for row, kind in rows
            if (end := row.expires_at) is not None
        ]

    def has_expired(self) -> bool:
        """Whether some assignment has ended, and is not deleted yet."""
        return bool(self.ended(self._clock(), 1))

    def delete_expired(self) -> int:
        """Delete some assignments that have ended; how many. No valid token has what they gave."""
        rows = self.ended(self._clock(), _AT_ONCE)
        ids = self.ids({row.folded_id for row in rows})
        for row in rows:
            self._delete_expired(row, ids[row.folded_id])
        return len(rows)

    def _authorize(self, principal_id: str, scopes: Sequence[str]) -> None:
        """Only `issuer:admin` changes roles of a group that holds rights at the issuer itself."""
        is_group = self.is_group(fold_id(principal_id))
        self._authority.authorize_change(
            principal=principal_id if is_group else None, scopes=scopes
        )

    def _moving(self, row: AssignmentRow, end: datetime | None) -> dict[str, Any]:
        """Revoke what would outlive an earlier end; details for the audit log."""
        details: dict[str, Any] = {"expires_at_before": in_json(row.expires_at)}
        if not is_earlier(end, row.expires_at):
            return details
        if client_id := self.client_id(row.folded_id):
            self._revocations.revoke_access_through(client_id)
        elif not self._revocations.revoke_access_of(self.user_ids_of(row.folded_id)):
            details |= _NOT_REVOKED
        return details

    def _delete_expired(self, row: AssignmentRow, principal_id: str) -> None:
        self._delete(row)
        self._note("role.assignment_expired", principal_id, row)

    def _delete(self, row: AssignmentRow) -> None:
        self.session.delete(row)
        self.session.flush()

    def _note(
        self, action: str, principal_id: str, row: AssignmentRow, reason: str = "", **more: Any
    ) -> None:
        details: dict[str, Any] = {"role": row.role_name, "audience": row.audience_id}
        if row.expires_at is not None:
            details["expires_at"] = in_json(row.expires_at)
        if reason:
            details["reason"] = reason
        self._trail.note(action, principal_id, **details, **more)

    def _find(self, principal_id: str, assignment: RolePlace) -> AssignmentRow | None:
        """The row of the assignment, also if it has ended."""
        return self.assignment(fold_id(principal_id), *assignment.place)


def require_end_to_come(end: datetime | None, now: datetime) -> None:
    """`InvalidField` for an end in the past."""
    if has_ended(end, now):
        raise InvalidField("expires_at", "is in the past")


def _assignment(row: AssignmentRow) -> Assignment:
    return Assignment(role=row.role_name, audience=row.audience_id, expires_at=row.expires_at)


def _in_order(held: HeldRole) -> tuple[bool, tuple[str, ...]]:
    via = held.via
    through = (via.name, via.group_id or "", via.issuer_id or "") if via else ()
    return via is not None, (held.role, held.audience or "", *through)
