"""Members of groups, the roles of groups, and what members gain and lose with them."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from issuer.directory import Through
from issuer.groups.group import GROUP, GroupMember
from issuer.groups.groups import MAX_GROUPS, MAX_MEMBERS, Groups
from issuer.operations import About, Operation, OperationQuestion, PartOf
from issuer.roles import Assignments, HeldRole
from issuer.roles.operations import EffectOnMembers, RolesOf

Held: TypeAlias = Sequence[HeldRole]
CONSIDERED = 50  # members
REVOKED = "The access tokens that members have now are revoked; their applications get new ones."


class GroupWork(Protocol):
    @property
    def assignments(self) -> Assignments: ...
    @property
    def groups(self) -> Groups: ...
    @property
    def users(self) -> Any: ...

    def effect_on_users(self, ids: Sequence[str], gained: Held, lost: Held) -> tuple[str, ...]: ...


def _effect_on_members(
    work: GroupWork, group_id: str, user_ids: Sequence[str], gained: Held, lost: Held
) -> tuple[str, ...]:
    """Which of some users gain and lose what, as members of the group; `CONSIDERED` at most."""
    via = Through(work.groups.get(group_id).name, group_id)
    given = ([role.model_copy(update={"via": via}) for role in some] for some in (gained, lost))
    return work.effect_on_users(user_ids[:CONSIDERED], *given)


def _on_members(work: GroupWork, group_id: str, gained: Held, lost: Held) -> EffectOnMembers:
    user_ids = [it.user_id for it in work.groups.members(group_id, None, CONSIDERED)]
    number = work.groups.count_members(group_id)[group_id]
    points = _effect_on_members(work, group_id, user_ids, gained, lost)
    sentences = [f"It has {number:,} {'member' if number == 1 else 'members'}."]
    sentences += [REVOKED] if lost and number else []
    sentences += [f"Of the first {CONSIDERED}:"] if points and number > CONSIDERED else []
    return EffectOnMembers(sentences, points)


def _find_user(work: GroupWork, id_or_name: str) -> tuple[str, str]:
    user = work.users.find(id_or_name)
    return user.id, user.username


def _adding(work: GroupWork, about: About) -> OperationQuestion:
    gained = work.assignments.roles_of(about.owner_id)
    points = _effect_on_members(work, about.owner_id, about.items, gained, ())
    what = f"Add {about.called} to {about.name}?"
    return OperationQuestion(what, _shift_in_words(points, "gain"), "Add", points=points)


def _removing(work: GroupWork, about: About) -> OperationQuestion:
    _require_members(work, about.owner_id, about.items)
    lost = work.assignments.roles_of(about.owner_id)
    points = _effect_on_members(work, about.owner_id, about.items, (), lost)
    why = f"{f'{REVOKED} ' if lost else ''}{_shift_in_words(points, 'lose')}"
    what = f"Remove {about.called} from {about.name}?"
    return OperationQuestion(what, why, "Remove", points=points)


def _shift_in_words(points: Sequence[str], verb: str) -> str:
    if points:
        return f"This is what they {verb} by it:"
    rest = "and what these give that they do not hold otherwise."
    return f"They {verb} the roles of the group, {rest}"


def _require_members(work: GroupWork, group_id: str, user_ids: Sequence[str]) -> None:
    for user_id in user_ids:
        work.groups.member(group_id, user_id)


def _remove(work: GroupWork, group_id: str, user_ids: Sequence[str]) -> None:
    _require_members(work, group_id, user_ids)
    work.groups.remove_members(group_id, user_ids)


GROUP_ROLES = RolesOf(GROUP, _on_members)
MEMBERS = PartOf[GroupWork, GroupMember](
    owner=GROUP,
    name="member",
    plural="members",
    model=GroupMember,
    about="Who is in a group.",
    lists="List the members of a group in order of their ids.",
    page=lambda work, group_id, after, most: work.groups.members(group_id, after, most),
    item=lambda work, group_id, user_id: work.groups.member(group_id, user_id),
    find=_find_user,
    key="user_id",
    columns=("user_id", "username"),
    example="alice bob",
)
ADD_MEMBER = Operation[GroupWork](
    name="add_member",
    on=MEMBERS,
    verb="add",
    past="added",
    summary="Add users to a group. Nothing changes for those that are members already.",
    more=f"A group has at most {MAX_MEMBERS:,} members, and a user is in at most"
    f" {MAX_GROUPS:,} groups. A user who gets rights at the issuer by this begins as when such"
    " a role is assigned.",
    question=_adding,
    run=lambda work, group_id, user_ids: work.groups.add_members(group_id, user_ids),
    done="Added to {name}: {item}.",
    adds=True,
    is_refusable=True,
)
OPERATIONS: tuple[Operation[Any], ...] = (
    ADD_MEMBER,
    Operation(
        name="remove_member",
        on=MEMBERS,
        verb="remove",
        past="removed",
        summary="Remove users from a group.",
        more="Access tokens issued to them so far are revoked, if the group has roles.",
        question=_removing,
        run=_remove,
        done="Removed from {name}: {item}.",
        is_refusable=True,
        asks_scripts=True,
    ),
    *GROUP_ROLES.operations,
)
