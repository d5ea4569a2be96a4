"""`issuer role`."""

from issuer.cli.collection import CollectionCommands
from issuer.cli.command import new_app
from issuer.cli.members import key_argument, options_of
from issuer.cli.options import RoleName
from issuer.roles import ROLE

app = new_app("Named sets of AgentOS scopes, assigned to clients and users.")
commands = CollectionCommands(app, ROLE, RoleName)

_OPTIONS = options_of(ROLE, ["scopes", "description"])

commands.list(
    ["name", "scopes", "description"],
    """List the roles in order of name, with their scopes.

    Examples:

      issuer role list
    """,
)
commands.show(
    """Show one role.

    Examples:

      issuer role show web-runner
    """
)
commands.create(
    {"name": key_argument(ROLE), **_OPTIONS},
    """Create a role. Clients and users with the role may request its scopes.

    Examples:

      issuer role create web-runner --scope agents:web:run --scope agents:web:read
      issuer role create admin --scope agent_os:admin --description "All rights"
    """,
)
commands.update(
    _OPTIONS,
    """Change the named members only. This applies at once wherever the role is assigned.

    Examples:

      issuer role update web-runner --add-scope sessions:read
      issuer role update web-runner --scope agents:web:read
    """,
    lists=["scopes"],
)
commands.delete(
    """Delete a role. Refused while it is assigned, unless --cascade unassigns it.

    Examples:

      issuer role delete web-runner
      issuer role delete web-runner --cascade
    """,
    cascade=True,
)
