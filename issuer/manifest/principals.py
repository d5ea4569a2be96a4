"""Matching clients, users and groups of a manifest with stored ones; members; renaming."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from issuer.clients.client import CLIENT, ClientFields
from issuer.directory import Through
from issuer.fields.ids import fold_id
from issuer.fields.usernames import fold_username
from issuer.groups import GROUP, GroupFields
from issuer.groups.group import fold_name
from issuer.manifest import current
from issuer.manifest.changes import Action, Change, MemberChange
from issuer.manifest.entries import (
    NAMED_BY,
    PRINCIPALS,
    AnyType,
    Entries,
    Resource,
    bare,
    in_order,
    own_assignments,
)
from issuer.manifest.problems import Path
from issuer.roles import Assignment, HeldRole
from issuer.users import USER, UserFields

_FOLDED = {USER.kind: fold_username, GROUP.kind: fold_name}
# Others set these: an invitation, a provisioning client. Only an entry that says so changes them.
_SET_BY_OTHERS = {USER: "email_verified", GROUP: "external_id"}


@dataclass(frozen=True)
class PlannedPrincipal:
    """A client, a user or a group with its assignments. `path` is its place in a manifest.

    `inherited` through groups and issuers. `members` of a group are names; None: unchanged.
    """

    fields: ClientFields | UserFields | GroupFields
    assignments: list[Assignment]
    path: Path = ()
    inherited: tuple[HeldRole, ...] = ()
    members: tuple[str, ...] | None = None

    @property
    def resource(self) -> Resource:
        match self.fields:
            case ClientFields(client_id=client_id):
                assert client_id is not None
                return Resource(CLIENT.kind, client_id, client_id)
            case UserFields() as user:
                return Resource(USER.kind, user.id, user.username)
            case GroupFields() as group:
                return Resource(GROUP.kind, group.id, group.name)


def stored_principals(work: current.Configuration, *kinds: AnyType) -> Iterator[PlannedPrincipal]:
    """Every stored principal of these kinds, one kind after the other."""
    for kind in kinds:
        for each, held in current.principals(work, kind):
            inherited = tuple(role for role in held if role.via)
            own = in_order(own_assignments(held))
            yield PlannedPrincipal(bare(kind.fields, each), own, inherited=inherited)


class Declared:
    """The clients, users and groups of a manifest."""

    def __init__(self, entries: Entries) -> None:
        self._unmatched: dict[Path, PlannedPrincipal] = {}
        self._by_key: dict[tuple[str, str | None, str | None], Path] = {}
        self._ids: dict[str, Path] = {}
        self._keeps: dict[Path, str] = {}
        self._names: dict[tuple[str, str], Path] = {}
        for kind in PRINCIPALS:
            for number, entry in enumerate(getattr(entries, kind.attribute)):
                self._add(kind, (kind.attribute, number), entry)

    def _add(self, kind: AnyType, path: Path, entry: Any) -> None:
        members = tuple(entry.members) if kind is GROUP and entry.members is not None else None
        fields, roles = bare(kind.fields, entry), in_order(entry.roles)
        principal = PlannedPrincipal(fields, roles, path, members=members)
        resource = principal.resource
        self._unmatched[path] = principal
        self._by_key[_key(resource)] = path
        if resource.id:
            self._ids[fold_id(resource.id)] = path
        if fold := _FOLDED.get(resource.kind):
            self._names[resource.kind, fold(resource.name)] = path
        if (member := _SET_BY_OTHERS.get(kind)) and member not in entry.model_fields_set:
            self._keeps[path] = member

    def match(self, record: PlannedPrincipal) -> PlannedPrincipal | None:
        """The entry of this stored principal, by id, or without one by name; used up by this."""
        known = record.resource
        path = self._by_key.get(_key(known))
        if path is None and known.kind in NAMED_BY:
            path = self._by_key.get(_key(replace(known, id=None)))
        if path is None or (entry := self._unmatched.pop(path, None)) is None:
            return None
        if known.kind not in NAMED_BY:
            return entry
        members: dict[str, object] = {"id": known.id}
        kept = self._keeps.get(path)
        # A new address is not verified because the one before it was.
        if kept and getattr(entry.fields, "email", None) == getattr(record.fields, "email", None):
            members[kept] = getattr(record.fields, kept)
        return replace(entry, fields=entry.fields.model_copy(update=members))

    def unmatched(self, *kinds: AnyType) -> Iterable[PlannedPrincipal]:
        """The entries of these kinds that match no stored one: to be created."""
        sections = {each.attribute for each in kinds}
        return [each for path, each in self._unmatched.items() if path[0] in sections]

    def conflicts_with(
        self, record: PlannedPrincipal, entry: PlannedPrincipal | None
    ) -> Iterator[Path]:
        """Where another than the `entry` of the record uses its id or name."""
        own, known = entry.path if entry else None, record.resource
        assert known.id is not None
        path = self._ids.get(fold_id(known.id))
        if path not in {None, own}:
            yield (*path, "client_id" if path[0] == "clients" else "id")
        if entry is None and (fold := _FOLDED.get(known.kind)):
            path = self._names.get((known.kind, fold(known.name)))
            if path is not None:
                yield (*path, NAMED_BY[known.kind])


class Memberships:
    """Who is in which group after a plan, and its roles. Note groups by group, then users."""

    def __init__(self, work: current.Configuration) -> None:
        self._work = work
        self._by_id: dict[str | None, list[HeldRole]] = defaultdict(list)
        self._by_name: dict[str, list[HeldRole]] = defaultdict(list)
        # Of groups whose members are declared: the ids and names before, the folded names after.
        self._declared: list[tuple[Resource, dict[str, str], set[str]]] = []
        self._users: dict[str, Resource] = {}
        self._deleted: set[str | None] = set()

    def note_group(self, before: PlannedPrincipal | None, after: PlannedPrincipal) -> None:
        group = after.resource
        group_id = before.resource.id if before else None
        members = dict(self._work.groups.members_of_each([group_id])[group_id]) if group_id else {}
        via = Through(group.name, group.id)
        roles = [HeldRole(**dict(each), via=via) for each in after.assignments]
        if after.members is None:
            for user_id in members if roles else ():
                self._by_id[user_id] += roles
            return
        names = {fold_username(each) for each in after.members}
        for name in names:
            self._by_name[name] += roles
        self._declared.append((group, members, names))

    def note_user(self, before: PlannedPrincipal | None, after: PlannedPrincipal | None) -> None:
        if after is None:
            self._deleted.add(before.resource.id if before else None)
        elif (name := fold_username(after.resource.name)) in self._by_name:
            self._users[name] = after.resource

    def roles_of(self, user: PlannedPrincipal) -> list[HeldRole]:
        by_name = self._by_name.get(fold_username(user.resource.name), [])
        return [*self._by_id.get(user.resource.id, []), *by_name]

    def changes(self) -> Iterator[MemberChange]:
        """Users to remove, then users to add, of each group in order of name."""
        for group, before, names in self._declared:
            users = [self._users[name] for name in sorted(names) if name in self._users]
            stay = {each.id for each in users} | self._deleted
            gone = [Resource(USER.kind, i, name) for i, name in before.items() if i not in stay]
            for each in sorted(gone, key=lambda user: user.name):
                yield MemberChange(Action.REMOVE_MEMBER, group, each)
            for each in users:
                if each.id not in before:
                    yield MemberChange(Action.ADD_MEMBER, group, each)


def _key(resource: Resource) -> tuple[str, str | None, str | None]:
    if resource.id is None:
        return (resource.kind, None, _FOLDED[resource.kind](resource.name))
    return (resource.kind, resource.id, None)


def renames_in_order(updates: Iterable[Change]) -> Iterator[Change]:
    """Each after the one that frees its name; in a cycle, one gets a temporary name first."""
    waiting = list(updates)
    while waiting:
        held = {_name(each, each.before) for each in waiting} - {None}
        blocked = [each for each in waiting if _is_blocked(each, held)]
        if len(blocked) < len(waiting):
            yield from (each for each in waiting if not _is_blocked(each, held))
        else:
            temporary, blocked[0] = _via_temporary_name(blocked[0])
            yield temporary
        waiting = blocked


def _is_blocked(change: Change, held: set[str | None]) -> bool:
    new_name = _name(change, change.after)
    return new_name in held and new_name != _name(change, change.before)


def _name(change: Change, members: Mapping[str, object]) -> str | None:
    kind = change.resource.kind
    name = members.get(NAMED_BY[kind])
    return None if name is None else _FOLDED[kind](str(name))


def _via_temporary_name(change: Change) -> tuple[Change, Change]:
    assert change.fields is not None
    named_by = NAMED_BY[change.resource.kind]
    digest = sha256(str(change.resource.id).encode()).hexdigest()
    temporary = {named_by: f"renaming-{digest[:32]}"}
    after = {named_by: change.after[named_by]}
    fields = change.fields.model_copy(update=temporary)
    first = replace(change, after={**change.after, **temporary}, fields=fields)
    return first, replace(change, before=temporary, after=after)
