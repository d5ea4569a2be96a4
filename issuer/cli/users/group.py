"""`issuer group`."""

from typing import Annotated

from issuer.cli.collection import CollectionCommands, Parts
from issuer.cli.command import argument, new_app, option
from issuer.cli.members import option_of, options_of
from issuer.cli.opening import find_group
from issuer.cli.operations import OperationCommands
from issuer.cli.options import GroupName, known_users
from issuer.composition import UnitOfWork
from issuer.fields.usernames import fold_username
from issuer.groups import GROUP
from issuer.groups.operations import GROUP_ROLES, MEMBERS, OPERATIONS

app = new_app("Groups of users, whose members hold the roles of the group.")
operations = OperationCommands(app, GroupName, find_group, "platform")
operations.part(GROUP_ROLES.part, OPERATIONS)
commands = CollectionCommands(app, GROUP, GroupName, find_group)

_NAMED = 20  # members
_NAME = Annotated[str, argument("NAME", GROUP.members["name"].help)]
_NEW_NAME = Annotated[str | None, option("TEXT", "New name.")]
_OPTIONS = options_of(GROUP, ["description", "external_id"])


def _parts(work: UnitOfWork, group_id: str) -> Parts:
    """Members in order of name, and roles."""
    members = work.items(MEMBERS, group_id, None)
    members.sort(key=lambda member: fold_username(member.username))
    names = [member.username for member in members]
    more = [f"and {len(names) - _NAMED:,} more"] if len(names) > _NAMED else []
    roles = work.assignments.roles_of(group_id)
    return {"members": members, "roles": roles}, {"members": names[:_NAMED] + more}


commands.list(["name", "id", "description"], "List the groups in order of name.")
commands.show("platform", ", with its members and roles.", _parts)
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
)

operations.part(MEMBERS, OPERATIONS, known_users)
