"""The rules for roles."""

from collections.abc import Mapping

from issuer.audit import Trail, differences
from issuer.authority import Authority
from issuer.clock import Clock
from issuer.database import Session
from issuer.database.store import as_model
from issuer.database.tables import RoleRow
from issuer.errors import AlreadyExists, InUse, InvalidField
from issuer.roles.role import Role, RoleFields
from issuer.roles.store import RoleStore

_MAX_NAMED = 100


class Roles:
    """Roles, within one transaction. Errors are those of `issuer.errors`."""

    def __init__(self, session: Session, trail: Trail, clock: Clock, authority: Authority) -> None:
        self._store = RoleStore(session)
        self._trail = trail
        self._clock = clock
        self._authority = authority

    def create(self, fields: RoleFields) -> Role:
        self._authority.authorize_change(scopes=fields.scopes)
        if self._store.find(fields.name):
            raise AlreadyExists("a role", fields.name)
        now = self._clock()
        row = RoleRow(**dict(fields), created_at=now, updated_at=now)
        self._store.add(row)
        self._trail.note("role.created", fields.name, **fields.model_dump(mode="json"))
        return as_model(Role, row)

    def get(self, name: str) -> Role:
        return as_model(Role, self._store.get(name))

    def page(self, after: str | None, limit: int) -> list[Role]:
        """At most `limit` roles after the name `after`, in order of name."""
        return [as_model(Role, row) for row in self._store.page(after, limit)]

    def update(self, name: str, patch: Mapping[str, object]) -> Role:
        """Apply a merge patch (RFC 7396)."""
        row = self._store.get(name)
        before = as_model(RoleFields, row)
        fields = before.patched(patch)
        if fields.name != name:
            raise InvalidField("name", "cannot be changed")
        self._authority.authorize_change(scopes=[*row.scopes, *fields.scopes])
        row.description, row.scopes = fields.description, fields.scopes
        self._store.changed(row, self._clock())
        self._trail.note("role.updated", name, **differences(before, fields))
        return as_model(Role, row)

    def delete(self, name: str, *, cascade: bool = False) -> None:
        """`InUse` while it is assigned, unless `cascade` unassigns it."""
        row = self._store.get(name)
        self._authority.authorize_change(scopes=row.scopes)
        using = self._store.assignments_of_role(name, None if cascade else _MAX_NAMED)
        holders = sorted({assignment.folded_id for assignment in using})
        if using and not cascade:
            raise InUse("role", name, holders)
        for assignment in using:
            self._store.session.delete(assignment)
        self._store.delete(row)
        self._trail.note(
            "role.deleted", name, scopes=row.scopes, unassigned_from=holders[:_MAX_NAMED]
        )
