"""`issuer audience`."""

from typing import Annotated

import typer

from issuer.audiences import AUDIENCE
from issuer.cli import completion
from issuer.cli.collection import CollectionCommands
from issuer.cli.command import new_app
from issuer.cli.members import key_argument, options_of

AudienceId = Annotated[
    str,
    typer.Argument(
        metavar="AUDIENCE",
        help="The id of the AgentOS.",
        autocompletion=completion.audiences,
    ),
]

app = new_app("The AgentOS deployments that tokens are issued for (RFC 8707).")
commands = CollectionCommands(app, AUDIENCE, AudienceId)

commands.list(
    ["id", "name", "signing_alg", "access_token_ttl", "include_roles"],
    """List the audiences in order of id. One of them is the issuer's own admin API.

    Examples:

      issuer audience list
    """,
)
commands.show(
    """Show one audience.

    Examples:

      issuer audience show my-os
    """
)
commands.create(
    {"id": key_argument(AUDIENCE), **options_of(AUDIENCE)},
    """Create an audience. Clients can then be allowed to request tokens for it.

    Examples:

      issuer audience create my-os
      issuer audience create my-os --signing-alg ES256 --access-token-ttl 10m
      issuer audience create my-os --resource https://os.example/mcp
    """,
)
commands.update(
    options_of(AUDIENCE),
    """Change the named members only. Tokens that were issued before stay as they are.

    Examples:

      issuer audience update my-os --access-token-ttl 5m
      issuer audience update my-os --access-token-ttl none --include-roles
      issuer audience update my-os --add-resource https://os.example/mcp
    """,
    lists=["resources"],
)
commands.delete(
    """Delete an audience and revoke all tokens for it.

    The tokens stay revoked if the id is used again. Refused while the audience is in use,
    unless --cascade removes it from clients and assignments.

    Examples:

      issuer audience delete my-os
      issuer audience delete my-os --cascade
    """,
    cascade=True,
)
