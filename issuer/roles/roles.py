"""The models of a role, and the rules for roles."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from issuer.database.tables import RoleRow
from issuer.errors import InUse
from issuer.fields.fields import Fields, Label, Scopes, Version
from issuer.fields.ids import RoleName
from issuer.fields.text import with_counts
from issuer.resources import Collection, ResourceType
from issuer.resources.resource_type import SCOPES, Member
from issuer.roles.store import AssignmentStore, RoleStore

_MAX_NAMED = 100


class RoleFields(Fields):
    """The members of a role that an operator sets."""

    name: Annotated[RoleName, Member(label="Name", help="The name of the role.")]
    description: Annotated[Label, Member(label="Description", help="What it is for.")] = ""
    scopes: Annotated[Scopes, SCOPES] = []


class Role(RoleFields):
    """A stored role."""

    created_at: datetime
    updated_at: datetime
    version: Version


ROLE = ResourceType(
    "role",
    "roles",
    key="name",
    fields=RoleFields,
    model=Role,
    gives_rights=True,
    deleted_with=lambda _, role: with_counts({"scope": len(role.scopes)}),
)


class Roles(Collection[RoleRow, RoleFields, Role]):
    """Roles. One with scopes of the issuer can only be changed by its admins."""

    resource_type = ROLE
    store_type = RoleStore
    _store: RoleStore

    def _authorize(self, before: RoleFields | None, after: RoleFields | None) -> None:
        scopes = [scope for role in (before, after) if role for scope in role.scopes]
        self._authority.authorize_change(scopes=scopes)

    def _release(self, row: RoleRow, *, cascade: bool) -> dict[str, Any]:
        assignments = AssignmentStore(self._session, self._clock)
        mapped = assignments.providers_of(row.name, None if cascade else _MAX_NAMED)
        holders = assignments.principals_assigned(row.name, "", _MAX_NAMED)
        providers = sorted({mapping.issuer_id for mapping in mapped})
        if not cascade:
            self._require_unused(row.name, holders, providers)
        losing = assignments.users_inheriting(row.name)  # as where a group loses the role alone
        # Also what has ended.
        for each in (*self._store.assignments_of_role(row.name), *mapped):
            self._store.session.delete(each)
        details: dict[str, Any] = {"unassigned_from": list(holders)}
        if not self._revocations.revoke_access_of(losing):
            details["access_tokens_revoked"] = False
        return details | ({"released": providers[:_MAX_NAMED]} if providers else {})

    def _require_unused(self, name: str, holders: Sequence[str], providers: list[str]) -> None:
        if holders or providers:
            groups = self._store.group_names(holders)
            named = [f"group {groups[each]}" if each in groups else each for each in holders]
            raise InUse("role", name, named + [f"trusted issuer {each}" for each in providers])
