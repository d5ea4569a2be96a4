"""The rules for groups."""

from collections.abc import Collection
from random import Random
from typing import Any

from issuer.authority import GivenMember
from issuer.authority.access_store import AccessStore
from issuer.database.conditions import Attribute, Condition, RowQuery
from issuer.database.tables import GroupMemberRow, GroupRow
from issuer.errors import AlreadyExists, NotAllowed, NotFound
from issuer.fields.ids import fold_id
from issuer.groups.group import GROUP, Group, GroupFields, GroupMember, fold_name
from issuer.groups.store import GroupStore
from issuer.resources import Principals, Transaction
from issuer.roles.store import AssignmentStore

MAX_MEMBERS = 10_000  # of a group
MAX_GROUPS = 1_000  # of a user


class Groups(Principals[GroupRow, GroupFields, Group]):
    """Groups and their members, who hold the roles of the group.

    Only `issuer:admin` may change a group that holds rights at the issuer itself. Whoever is no
    member any more, or loses roles with the group, keeps sessions and refresh tokens: access tokens
    issued so far are revoked.
    """

    resource_type = GROUP
    store_type = GroupStore
    id_prefix = "grp_"
    _store: GroupStore

    def __init__(self, transaction: Transaction, random: Random) -> None:
        super().__init__(transaction, random)
        self._assignments = AssignmentStore(transaction.session, transaction.clock)

    def find(self, id_or_name: str) -> Group:
        """The group of that id, else of that name; `NotFound` if there is neither."""
        if row := self._store.find(id_or_name):
            return self._model(row)
        return self.get_by_name(id_or_name)

    def get_by_name(self, name: str) -> Group:
        if (row := self._store.find_by_name(name)) is None:
            raise NotFound("group", name)
        return self._model(row)

    def names(self, first: str, limit: int) -> list[str]:
        """At most `limit` names, from `first` on, in order."""
        return list(self._store.names(first, limit))

    def of_user(self, user_id: str) -> list[Group]:
        return [self._model(row) for row in self._store.of_user(user_id)]

    def members(self, group_id: str, after: str | None, limit: int) -> list[GroupMember]:
        """At most `limit` members whose ids follow `after`, in order of id."""
        self._store.get(group_id)
        rows = self._store.members(group_id, after, limit)
        return [GroupMember(user_id=each.id, username=each.username) for each in rows]

    def member(self, group_id: str, user_id: str) -> GroupMember:
        """One member; `NotFound` if the user is none."""
        self._store.get(group_id)
        if (row := self._store.member(group_id, user_id)) is None:
            raise NotFound("member", user_id)
        return GroupMember(user_id=row.id, username=row.username)

    def member_ids(self, group_id: str) -> set[str]:
        self._store.get(group_id)
        return {*self._store.member_ids(group_id)}

    def not_of_admins(self, group_ids: Collection[str]) -> list[GivenMember]:
        """The members of these groups whom somebody without `issuer:admin` added."""
        return AccessStore(self._session).members_not_of_admins([*map(fold_id, group_ids)])

    def count_members(self, *group_ids: str) -> dict[str, int]:
        """How many members each of the groups has, by its id; one query."""
        return self._store.count_members(group_ids)

    def members_of_each(self, group_ids: Collection[str]) -> dict[str, list[tuple[str, str]]]:
        """Id and user name of every member of each of the groups, by the id of the group."""
        found: dict[str, list[tuple[str, str]]] = {each: [] for each in group_ids}
        for group_id, user_id, username in self._store.members_of_each(group_ids):
            found[group_id].append((user_id, username))
        return found

    def of_each_user(self, user_ids: Collection[str]) -> dict[str, list[tuple[str, str]]]:
        """Id and name of every group of each of the users, by the id of the user."""
        found: dict[str, list[tuple[str, str]]] = {each: [] for each in user_ids}
        for user_id, group_id, name in self._store.groups_of_each(user_ids):
            found[user_id].append((group_id, name))
        return found

    def attribute(self, name: str) -> Attribute:
        """A member of groups, as conditions compare it."""
        return self._store.attribute(name)

    def has_member(self, user_id: str) -> Condition:
        """Met by the groups of that user."""
        return self._store.has_member(user_id)

    def matching(self, asked: RowQuery) -> tuple[list[Group], int]:
        """The groups that are asked for, and how many meet the condition in all."""
        rows, number = self._store.matching(asked)
        return [self._model(row) for row in rows], number

    def add_members(self, group_id: str, user_ids: Collection[str]) -> None:
        """Add users; those that are members already stay. `NotFound` if one does not exist."""
        row = self._row_to_change(group_id)
        new = sorted({*user_ids} - self._store.memberships(group_id, user_ids).keys())
        if missing := {*new} - self._store.existing_users(new):
            raise NotFound("user", min(missing))
        if self.count_members(group_id)[group_id] + len(new) > MAX_MEMBERS:
            raise NotAllowed(f"A group has at most {MAX_MEMBERS:,} members.")
        if full := self._store.user_in_as_many(new, MAX_GROUPS):
            raise NotAllowed(f"The user {full} is in {MAX_GROUPS:,} groups, the most there may be.")
        grantor = self._authority.grantor
        given = {"given_by": grantor.by, "given_as": grantor.given_as, "given_at": self._clock()}
        rows = [GroupMemberRow(group_id=group_id, user_id=each, **given) for each in new]
        self._session.add_all(rows)
        if new:
            self._store.changed(row, self._clock())
        for each in new:
            self._note("member_added", group_id, user_id=each)

    def remove_members(self, group_id: str, user_ids: Collection[str]) -> None:
        """Remove users; those that are no members are skipped."""
        row = self._row_to_change(group_id)
        memberships = self._store.memberships(group_id, user_ids)
        gone = sorted(memberships)
        for each in gone:
            self._session.delete(memberships[each])
        if gone:
            self._store.changed(row, self._clock())
        left_valid = self._revoke_access(row, gone)
        for each in gone:
            self._note("member_removed", group_id, user_id=each, **left_valid)

    def set_members(self, group_id: str, user_ids: Collection[str]) -> None:
        """Add and remove users, so that these are the members; may be `Forbidden` in any case."""
        self._row_to_change(group_id)
        before, after = self.member_ids(group_id), {*user_ids}
        if gone := before - after:
            self.remove_members(group_id, gone)
        if new := after - before:
            self.add_members(group_id, new)

    def _prefixes(self, text: str) -> list[str]:
        return [fold_id(text), fold_name(text)]

    def _authorize(self, before: GroupFields | None, after: GroupFields | None) -> None:
        if before is not None:
            self._authority.authorize_change(principal=before.id)

    def _write(self, row: GroupRow, fields: GroupFields) -> None:
        folded = fold_name(fields.name)
        if folded != row.folded_name and self._store.find_by_name(fields.name):
            raise AlreadyExists("group", fields.name)
        super()._write(row, fields)
        row.folded_name = folded

    def _release(self, row: GroupRow, *, cascade: bool) -> dict[str, Any]:
        members = self._store.member_ids(row.id)
        return {"members": len(members), **self._revoke_access(row, members)}

    def _revoke(self, key: str) -> None:
        """Only the access tokens, of all members; for the issuer's own audience by admins only."""
        is_admin = self._authority.grantor.is_admin
        self._revoke_access(self._store.get(key), self.member_ids(key), with_own=is_admin)

    def _revoke_for(self, before: GroupFields, after: GroupFields | None) -> None:
        """A deletion revokes in `_release`, whose result is audited."""

    def _revoke_access(
        self, row: GroupRow, user_ids: Collection[str], *, with_own: bool = False
    ) -> dict[str, bool]:
        """For users who lose what the group gave. For the audit log: what had to stay valid."""
        if not self._assignments.assignments_of_each([row.folded_id]):
            return {}
        is_revoked = self._revocations.revoke_access_of(user_ids, with_own=with_own)
        return {} if is_revoked else {"access_tokens_revoked": False}
