"""Who is in which group after a plan, and which roles that gives."""

from collections import defaultdict
from collections.abc import Iterator

from issuer.directory import Through
from issuer.fields.usernames import fold_username
from issuer.manifest import current
from issuer.manifest.changes import Action, MemberChange
from issuer.manifest.entries import Resource
from issuer.manifest.principals import PlannedPrincipal
from issuer.roles import HeldRole
from issuer.users import USER


class Memberships:
    """Noted groups by group, and then users by user; a manifest names users as they will be."""

    def __init__(self, work: current.Configuration) -> None:
        self._work = work
        self._by_id: dict[str | None, list[HeldRole]] = defaultdict(list)
        self._by_name: dict[str, list[HeldRole]] = defaultdict(list)
        # Of groups whose members are declared: the ids and names before, the folded names after.
        self._declared: list[tuple[Resource, dict[str, str], set[str]]] = []
        self._users: dict[str, Resource] = {}
        self._deleted: set[str | None] = set()

    def note_group(self, before: PlannedPrincipal | None, after: PlannedPrincipal) -> None:
        """A group that there will be."""
        group = after.resource
        group_id = before.resource.id if before else None
        members = dict(current.members(self._work, group_id)) if group_id else {}
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
        """A user that there is or will be."""
        if after is None:
            self._deleted.add(before.resource.id if before else None)
        elif (name := fold_username(after.resource.name)) in self._by_name:
            self._users[name] = after.resource

    def roles_of(self, user: PlannedPrincipal) -> list[HeldRole]:
        """What the groups of a user will give."""
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
