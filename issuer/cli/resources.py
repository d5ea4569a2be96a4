"""`issuer audience`, `issuer role` and `issuer trusted-issuer`."""

from typing import Annotated, Any

import typer

from issuer.audiences import AUDIENCE
from issuer.cli.collection import CollectionCommands
from issuer.cli.command import argument, flag, new_app, option
from issuer.cli.members import JWKS_EXAMPLE, json_object, key_argument, options_of
from issuer.cli.options import RoleName, known_audiences, known_trusted_issuers
from issuer.roles import ROLE
from issuer.trusted_issuers import TRUSTED_ISSUER

AudienceId = Annotated[str, argument("AUDIENCE", "The id of the AgentOS.", known_audiences)]

app = new_app()
audience_app = new_app("The AgentOS deployments that tokens are issued for (RFC 8707).")
app.add_typer(audience_app, name="audience")
audiences = CollectionCommands(audience_app, AUDIENCE, AudienceId)

audiences.list(
    ["id", "name", "signing_alg", "access_token_ttl", "include_roles"],
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


TrustedIssuerId = Annotated[
    str, argument("TRUSTED_ISSUER", "The id of the trusted issuer.", known_trusted_issuers)
]

trusted_issuer_app = new_app(
    "Other issuers whose tokens authenticate clients here: workloads (RFC 7523)."
)
app.add_typer(trusted_issuer_app, name="trusted-issuer")
trusted_issuers = CollectionCommands(trusted_issuer_app, TRUSTED_ISSUER, TrustedIssuerId)


_KEYS = {
    "discovery": Annotated[
        bool | None, flag("--discovery", "Find its keys by OpenID Connect Discovery.")
    ],
    "jwks_uri": Annotated[str | None, option("URL", "Fetch its keys there.")],
    "jwks": Annotated[
        Any,
        option(
            "JSON",
            "Its keys: a JWK Set, or @FILE; for networks without access to the issuer.",
            parser=lambda text: json_object(text, JWKS_EXAMPLE),
        ),
    ],
}
_OPTIONS = _KEYS | options_of(
    TRUSTED_ISSUER, ["algorithms", "ca_certificate", "typ", "allow_private_addresses", "disabled"]
)


def _keys_of(values: dict[str, Any]) -> dict[str, Any]:
    """The three options for keys are one member."""
    given = {name: values.pop(name) for name in _KEYS}
    keys = {name: value for name, value in given.items() if value}
    if len(keys) > 1:
        raise typer.BadParameter("--discovery, --jwks-uri and --jwks contradict each other")
    return keys


def _by_discovery(values: dict[str, Any]) -> None:
    values["keys"] = _keys_of(values) or {"discovery": True}


def _replacing(values: dict[str, Any]) -> None:
    """A merge patch would keep where the keys were found before."""
    keys = _keys_of(values)
    values["keys"] = {**dict.fromkeys(_KEYS), **keys} if keys else None


trusted_issuers.list(
    ["id", "issuer", "algorithms", "disabled"], "List the trusted issuers in order of id."
)
trusted_issuers.show("github")
trusted_issuers.create(
    {"id": key_argument(TRUSTED_ISSUER), **options_of(TRUSTED_ISSUER, ["issuer"]), **_OPTIONS},
    """Trust another issuer. Its keys are found by discovery, unless options say where.

    By itself this gives nobody anything: see client trust add.""",
    "cluster --issuer https://k8s --jwks @jwks.json",
    "mesh --issuer spiffe://prod --jwks @mesh.json",
    complete=_by_discovery,
)
trusted_issuers.update(
    _OPTIONS,
    "Change the named members only. A disabled issuer is refused within a second.",
    "cluster --jwks @jwks.json",
    "github --disabled",
    complete=_replacing,
)
trusted_issuers.delete(
    """Delete a trusted issuer.

    Refused while a client relies on it, unless --cascade removes those trusts.""",
    "cluster",
    cascade=True,
)
