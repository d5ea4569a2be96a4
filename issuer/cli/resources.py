"""`issuer audience` and `issuer role`."""

from issuer.audiences import AUDIENCE
from issuer.cli.collection import CollectionCommands
from issuer.cli.command import new_app
from issuer.cli.inspection import AudienceId, inspect_audience
from issuer.cli.members import key_argument, options_of
from issuer.cli.options import RoleName
from issuer.roles import ROLE

app = new_app()
audience_app = new_app("The AgentOS deployments that tokens are issued for (RFC 8707).")
app.add_typer(audience_app, name="audience")
audiences = CollectionCommands(audience_app, AUDIENCE, AudienceId)

audiences.list(
    ["id", "name", "signing_alg", "access_token_ttl", "include_roles", "url"],
    "List the audiences in order of id. One of them is the issuer's own admin API.",
)
audiences.show("my-os")
audiences.create(
    {"id": key_argument(AUDIENCE), **options_of(AUDIENCE)},
    "Create an audience. Clients can then be allowed to request tokens for it.",
    "my-os",
    "my-os --signing-alg ES256 --access-token-ttl 10m",
    "my-os --resource https://os.example/mcp",
)
audiences.update(
    options_of(AUDIENCE),
    "Change the named members only. Tokens that were issued before stay as they are.",
    "my-os --access-token-ttl 5m",
    "my-os --access-token-ttl none --include-roles",
    "my-os --add-resource https://os.example/mcp",
    lists=["resources"],
)
audiences.delete(
    """Delete an audience and revoke all tokens for it.

    The tokens stay revoked if the id is used again. Refused while the audience is in use,
    unless --cascade removes it from clients and assignments.""",
    "my-os",
    "my-os --cascade",
    cascade=True,
)

audience_app.command("inspect")(inspect_audience)

role_app = new_app("Named sets of AgentOS scopes, assigned to clients and users.")
app.add_typer(role_app, name="role")
roles = CollectionCommands(role_app, ROLE, RoleName)

_ROLE_OPTIONS = options_of(ROLE, ["scopes", "description"])

roles.list(["name", "scopes", "description"], "List the roles in order of name, with their scopes.")
roles.show("web-runner")
roles.create(
    {"name": key_argument(ROLE), **_ROLE_OPTIONS},
    "Create a role. Clients and users with the role may request its scopes.",
    "web-runner --scope agents:web:run --scope agents:web:read",
    'admin --scope agent_os:admin --description "All rights"',
)
roles.update(
    _ROLE_OPTIONS,
    "Change the named members only. This applies at once wherever the role is assigned.",
    "web-runner --add-scope sessions:read",
    "web-runner --scope agents:web:read",
    lists=["scopes"],
)
roles.delete(
    "Delete a role. Refused while it is assigned, unless --cascade unassigns it.",
    "web-runner",
    "web-runner --cascade",
    cascade=True,
)
