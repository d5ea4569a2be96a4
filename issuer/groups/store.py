"""Groups and their members in SQL."""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import bindparam, func, select

from issuer.database.conditions import Attribute, Condition, FilteredStore
from issuer.database.store import in_parts, is_key
from issuer.database.tables import GroupMemberRow as Member
from issuer.database.tables import GroupRow, UserRow
from issuer.groups.group import fold_name

_ATTRIBUTES = {
    "id": Attribute(GroupRow.id),
    "name": Attribute(GroupRow.folded_name, fold_name),
    "external_id": Attribute(GroupRow.external_id),
    "created_at": Attribute(GroupRow.created_at),
    "updated_at": Attribute(GroupRow.updated_at),
}
# Built once: a provisioning client asks it for every user that it looks up.
_GROUPS_OF_USERS = (
    select(Member.user_id, GroupRow.id, GroupRow.name)
    .join(GroupRow, GroupRow.id == Member.group_id)
    .where(Member.user_id.in_(bindparam("user_ids", expanding=True)))
    .order_by(Member.user_id, GroupRow.id)
)


class GroupStore(FilteredStore[GroupRow]):
    kind = "group"
    row = GroupRow
    searched = (GroupRow.folded_id, GroupRow.folded_name)
    sorted_by = {
        "name": GroupRow.folded_name,
        "description": func.lower(GroupRow.description),
        "created_at": GroupRow.created_at,
    }
    also_searched = (GroupRow.description,)

    def attribute(self, name: str) -> Attribute:
        return _ATTRIBUTES[name]

    def has_member(self, user_id: str) -> Condition:
        return GroupRow.id.in_(select(Member.group_id).where(Member.user_id == user_id))

    def find_by_name(self, name: str) -> GroupRow | None:
        return self.one(GroupRow, GroupRow.folded_name == fold_name(name))

    def names(self, first: str, limit: int) -> Sequence[str]:
        """At most `limit` names, from `first` on, in the order of their folded forms."""
        query = select(GroupRow.name).where(GroupRow.folded_name >= fold_name(first))
        return self.session.scalars(query.order_by(GroupRow.folded_name).limit(limit)).all()

    def existing_users(self, user_ids: Collection[str]) -> set[str]:
        return {*self.among(select(UserRow.id), UserRow.id, filter(is_key, user_ids))}

    def members(self, group_id: str, after: str | None, limit: int) -> Sequence[UserRow]:
        """At most `limit` members whose ids follow `after`, in order of id."""
        query = select(UserRow).join(Member, Member.user_id == UserRow.id)
        query = query.where(Member.group_id == group_id).order_by(Member.user_id)
        if after is not None:
            query = query.where(Member.user_id > after)
        return self.session.scalars(query.limit(limit)).all()

    def member(self, group_id: str, user_id: str) -> UserRow | None:
        is_member = self.memberships(group_id, [user_id])
        return self.session.get(UserRow, user_id) if is_member else None

    def member_ids(self, group_id: str) -> Sequence[str]:
        query = select(Member.user_id).where(Member.group_id == group_id)
        return self.session.scalars(query).all()

    def memberships(self, group_id: str, user_ids: Collection[str]) -> dict[str, Member]:
        """The memberships of these users, by the id of the user."""
        query = select(Member).where(Member.group_id == group_id)
        rows = self.among(query, Member.user_id, filter(is_key, user_ids))
        return {each.user_id: each for each in rows}

    def of_user(self, user_id: str) -> Sequence[GroupRow]:
        """The groups of a user, in order of name."""
        query = select(GroupRow).join(Member, Member.group_id == GroupRow.id)
        query = query.where(Member.user_id == user_id)
        return self.session.scalars(query.order_by(GroupRow.folded_name)).all()

    def members_of_each(self, group_ids: Collection[str]) -> Iterator[tuple[str, str, str]]:
        """The id of a group, and id and name of a user in it, in order of ids; one query."""
        columns = select(Member.group_id, UserRow.id, UserRow.username)
        query = columns.join(UserRow, UserRow.id == Member.user_id)
        query = query.where(Member.group_id.in_(group_ids)).order_by(Member.group_id, UserRow.id)
        return ((a, b, name) for a, b, name in self.session.execute(query))

    def groups_of_each(self, user_ids: Collection[str]) -> Iterator[tuple[str, str, str]]:
        """The id of a user, and id and name of a group, in order of ids; one query."""
        asked = {"user_ids": [*user_ids]}
        return ((a, b, name) for a, b, name in self.session.execute(_GROUPS_OF_USERS, asked))

    def user_in_as_many(self, user_ids: Collection[str], groups: int) -> str | None:
        for part in in_parts(user_ids):
            query = select(Member.user_id).where(Member.user_id.in_(part)).group_by(Member.user_id)
            found = self.session.scalar(query.having(func.count() >= groups).limit(1))
            if found is not None:
                return found
        return None

    def count_members(self, group_ids: Collection[str]) -> dict[str, int]:
        """How many members each of the groups has, by its id; one query."""
        query = select(Member.group_id, func.count()).where(Member.group_id.in_(group_ids))
        counted = self.session.execute(query.group_by(Member.group_id)).all()
        return dict.fromkeys(group_ids, 0) | dict(counted)
