"""`issuer group`."""

from typing import Annotated

from issuer.cli import output
from issuer.cli.assignments import assignment_commands
from issuer.cli.collection import CollectionCommands
from issuer.cli.command import argument, every, new_app, option
from issuer.cli.confirming import Yes, confirming
from issuer.cli.members import option_of, options_of
from issuer.cli.opening import changing, find_group, find_user, reading
from issuer.cli.options import GroupName, Limit, known_groups, known_users
from issuer.composition import UnitOfWork
from issuer.fields.text import with_counts
from issuer.fields.usernames import fold_username
from issuer.groups import GROUP, Group, GroupMember
from issuer.groups.operations import GROUP_ROLES
from issuer.roles import HeldRole

app = new_app("Groups of users, whose members hold the roles of the group.")
app.add_typer(assignment_commands(GROUP_ROLES, "platform", find_group, known_groups), name="role")
commands = CollectionCommands(app, GROUP, GroupName, find_group, "name")

_NAMED = 20  # members
_NAME = Annotated[str, argument("NAME", GROUP.members["name"].help)]
_NEW_NAME = Annotated[str | None, option("TEXT", "New name.")]
_OPTIONS = options_of(GROUP, ["description", "external_id"])
_Users = Annotated[list[str], argument("USERS", "The ids or the names of users.", known_users)]


class _GroupState(Group):
    """A group with its members, in order of name, and its roles."""

    members: list[GroupMember]
    roles: list[HeldRole]


def _with_it(work: UnitOfWork, group: Group) -> str:
    members, roles = work.groups.count_members(group.id)[group.id], work.assignments.of(group.id)
    return with_counts({"member": members, "assigned role": len(roles)})


commands.list(["name", "id", "description"], "List the groups in order of name.")


@app.command("show")
def show_group(group: GroupName) -> None:
    """Show one group, with its members and roles.

    Examples:

      issuer group show platform
    """
    with reading() as work:
        result = find_group(work, group)
        members = work.groups.members_of_each([result.id])[result.id]
        roles = work.assignments.roles_of(result.id)
    members.sort(key=lambda each: fold_username(each[1]))
    shown = _GroupState(
        **dict(result),
        members=[GroupMember(user_id=id_, username=name) for id_, name in members],
        roles=roles,
    )
    names = [name for _, name in members]
    more = [f"and {len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
    in_words = {"members": names[:_NAMED] + more, "roles": [str(each) for each in roles]}
    output.show(shown, in_words)


commands.create(
    {"name": _NAME, "id": option_of(GROUP, "id"), **_OPTIONS},
    "Create a group without members and roles.",
    'platform --description "Runs the servers"',
)
commands.update(
    {"name": _NEW_NAME, **_OPTIONS},
    "Change the named members only. People and roles have commands of their own.",
    "platform --name operations",
)
commands.delete(
    """Delete a group and its assignments. Its id may be used again.

    Its members lose what it gave: access tokens issued to them so far are revoked.""",
    "platform",
    with_it=_with_it,
)

member_app = new_app("Who is in a group.")
app.add_typer(member_app, name="member")


@member_app.command("list")
def list_members(group: GroupName, limit: Limit = None) -> None:
    """List the members of a group in order of their ids.

    Examples:

      issuer group member list platform
    """
    with reading() as work:
        group_id = find_group(work, group).id
        items = every(
            lambda after, most: work.groups.members(group_id, after, most), "user_id", limit
        )
    output.show_all(items, ["user_id", "username"])


@member_app.command("add")
def add_members(group: GroupName, users: _Users) -> None:
    """Add users to a group. Nothing changes for those that are members already.

    Examples:

      issuer group member add platform alice bob
    """
    with changing() as work:
        ids = [find_user(work, each).id for each in users]
        work.groups.add_members(find_group(work, group).id, ids)
    output.say(f"Added to {group}: {', '.join(users)}.", {"added": ids})


@member_app.command("remove")
def remove_members(group: GroupName, users: _Users, yes: Yes = False) -> None:
    """Remove users from a group. Asks first.

    Access tokens issued to them so far are revoked, if the group has roles.

    Examples:

      issuer group member remove platform bob
    """
    group_id, ids = group, users
    for confirmation in confirming(yes=yes):
        with confirmation, changing() as work:
            group_id = find_group(work, group_id).id
            ids = [work.groups.member(group_id, find_user(work, each).id).user_id for each in ids]
            work.groups.remove_members(group_id, ids)
            confirmation.require(*(f"remove {each} from {group}" for each in users))
    output.say(f"Removed from {group}: {', '.join(users)}.", {"removed": ids})
