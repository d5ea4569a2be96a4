"""The rules for roles."""

from typing import Any

from issuer.database.tables import RoleRow
from issuer.errors import InUse
from issuer.resources import Collection
from issuer.roles.role import ROLE, Role, RoleFields
from issuer.roles.store import RoleStore

_MAX_NAMED = 100


class Roles(Collection[RoleRow, RoleFields, Role]):
    """Roles. One with scopes of the issuer can only be changed by its admins."""

    resource_type = ROLE
    store_type = RoleStore
    _store: RoleStore

    def _authorize(self, before: RoleFields | None, after: RoleFields | None) -> None:
        scopes = [scope for role in (before, after) if role for scope in role.scopes]
        self._authority.authorize_change(scopes=scopes)

    def _release(self, row: RoleRow, *, cascade: bool) -> dict[str, Any]:
        using = self._store.assignments_of_role(row.name, None if cascade else _MAX_NAMED)
        holders = sorted({assignment.folded_id for assignment in using})
        if using and not cascade:
            raise InUse("role", row.name, holders)
        for assignment in using:
            self._store.session.delete(assignment)
        return {"unassigned_from": holders[:_MAX_NAMED]}
