"""`/groups`: groups of users, and their members."""

from issuer.admin.access import Caller
from issuer.admin.collection import Descriptions, collection_router
from issuer.admin.problems import documented
from issuer.admin.representations import Cursor, IfMatch, Limit, Page, page, require_match
from issuer.composition import UnitOfWork
from issuer.errors import NotFound
from issuer.groups import GROUP, GroupMember

router = collection_router(
    GROUP,
    Descriptions(
        list="List groups in order of id.",
        create="Create a group without members and roles.",
        read="Read a group.",
        patch="Change a group. Its members and roles have operations of their own.",
        delete="Delete a group and all its assignments. Its members lose what it gave: access"
        " tokens issued to them so far are revoked.",
    ),
    patch_problems=("already-exists",),
    note_of_create="",
)


@router.get("/{id}/members")
def list_members(
    caller: Caller, id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[GroupMember]:
    """List the members of a group in order of their ids."""
    with caller.work(GROUP.read) as work:
        work.groups.get(id)

        def read(after: str | None, most: int) -> list[GroupMember]:
            return work.groups.members(id, after, most)

        return page("members", read, lambda member: member.user_id, cursor, limit)


def _member(work: UnitOfWork, group_id: str, user_id: str) -> GroupMember | None:
    work.groups.get(group_id)
    try:
        return work.groups.member(group_id, user_id)
    except NotFound:
        return None


@router.put("/{id}/members/{user_id}", responses=documented("not-allowed"))
def add_member(caller: Caller, id: str, user_id: str, if_match: IfMatch = None) -> None:
    """Add a user to a group: at most 10,000 to a group, and to 1,000 groups. Idempotent.

    A user who gets rights at the issuer by this begins as when such a role is assigned.
    """
    with caller.work(GROUP.write) as work:
        if if_match is not None:
            require_match(if_match, _member(work, id, user_id))
        work.groups.add_members(id, [user_id])


@router.delete("/{id}/members/{user_id}", responses=documented("not-allowed"))
def remove_member(caller: Caller, id: str, user_id: str, if_match: IfMatch = None) -> None:
    """Remove a user from a group, and revoke the user's access tokens if the group has roles."""
    with caller.work(GROUP.write) as work:
        require_match(if_match, work.groups.member(id, user_id))
        work.groups.remove_members(id, [user_id])
