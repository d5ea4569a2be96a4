"""What happens to members of a group with its roles, and what is asked before."""

from collections.abc import Sequence
from typing import Protocol

from issuer.directory import Through
from issuer.groups.group import GROUP
from issuer.groups.groups import Groups
from issuer.roles import Assignments, HeldRole
from issuer.roles.operations import EffectOnMembers, RolesOf

CONSIDERED = 50  # members
REVOKED = "The access tokens that members have now are revoked; their applications get new ones."


class GroupWork(Protocol):
    """What these use of a unit of work."""

    assignments: Assignments
    groups: Groups

    def effect_on_users(
        self, user_ids: Sequence[str], gained: Sequence[HeldRole], lost: Sequence[HeldRole]
    ) -> tuple[str, ...]: ...


def effect_on_members(
    work: GroupWork,
    group_id: str,
    user_ids: Sequence[str],
    gained: Sequence[HeldRole],
    lost: Sequence[HeldRole],
) -> tuple[str, ...]:
    """Which of some users gain and lose what, as members of the group; `CONSIDERED` at most."""
    via = Through(work.groups.get(group_id).name, group_id)
    given = ([role.model_copy(update={"via": via}) for role in some] for some in (gained, lost))
    return work.effect_on_users(user_ids[:CONSIDERED], *given)


def _on_members(
    work: GroupWork, group_id: str, gained: Sequence[HeldRole], lost: Sequence[HeldRole]
) -> EffectOnMembers:
    user_ids = [it.user_id for it in work.groups.members(group_id, None, CONSIDERED)]
    number = work.groups.count_members(group_id)[group_id]
    points = effect_on_members(work, group_id, user_ids, gained, lost)
    sentences = [f"It has {number:,} {'member' if number == 1 else 'members'}."]
    sentences += [REVOKED] if lost and number else []
    sentences += [f"Of the first {CONSIDERED}:"] if points and number > CONSIDERED else []
    return EffectOnMembers(sentences, points)


GROUP_ROLES = RolesOf(GROUP, _on_members)
