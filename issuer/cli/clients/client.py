"""`issuer client`."""

import shlex
from collections.abc import Iterator
from itertools import product
from os import environ
from pathlib import Path
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.clients.key import create_key
from issuer.cli.clients.secrets import FOR_KUBERNETES, show_rotation
from issuer.cli.clients.trust import OPTIONS_OF_TRUSTS, add_trust, explain_trust
from issuer.cli.collection import CollectionCommands
from issuer.cli.command import argument, content_of, flag, new_app, option
from issuer.cli.members import key_argument, options_of
from issuer.cli.opening import changing
from issuer.cli.operations import OperationCommands
from issuer.cli.options import ClientId, known_roles
from issuer.cli.remote.target import SERVER, named_server
from issuer.clients.client import CLIENT, Client, ListedClient
from issuer.clients.documents import read_document
from issuer.clients.operations import (
    CLIENT_ROLES,
    KEYS,
    LOGOUTS,
    OPERATIONS,
    ROTATION,
    SECRETS,
    TRUSTS,
)
from issuer.composition import UnitOfWork
from issuer.roles import Assignment
from issuer.vocabulary import AuthMethod, GrantType, UserRights

app = new_app("Services with credentials of their own (RFC 6749 §2).")
operations = OperationCommands(app, ClientId, lambda work, id_: work.clients.get(id_), "ci-bot")
operations.part(SECRETS, OPERATIONS, output_of=FOR_KUBERNETES)
operations.part(ROTATION, OPERATIONS, status=show_rotation)
operations.part(KEYS, OPERATIONS, create=create_key)
trusts = operations.part(TRUSTS, OPERATIONS, explain=explain_trust)
trusts.command("add", parameters=OPTIONS_OF_TRUSTS)(add_trust)
operations.part(LOGOUTS, OPERATIONS)
operations.part(CLIENT_ROLES.part, OPERATIONS)
commands = CollectionCommands(app, CLIENT, ClientId)

_ROLES_AT_AUDIENCES = Annotated[
    list[str] | None,
    option(
        "ROLE", "Assign this role at each --audience. Repeatable.", "--role", complete=known_roles
    ),
]
_PUBLIC = Annotated[bool, flag("--public", "It has no secret: short for --auth-method none.")]
_DEVICE = Annotated[
    bool,
    flag(
        "--device",
        "People enter its code in a browser, and it may refresh its tokens (RFC 8628).",
    ),
]
_FIRST = (
    *("name", "audiences", "scopes", "scopes_expire_at", "grant_types", "redirect_uris"),
    *("post_logout_redirect_uris", "backchannel_logout_uri", "backchannel_logout_session_required"),
    *("token_endpoint_auth_method", "jwks", "jwks_uri"),
    *("user_rights", "first_party"),
)
_OPTIONS = options_of(CLIENT, _FIRST) | options_of(CLIENT)


def _complete(values: dict[str, Any]) -> None:
    """`--public`, `--device`, and the grants of a client to which people return."""
    if values.pop("public"):
        if values["token_endpoint_auth_method"] not in {None, AuthMethod.NONE}:
            raise typer.BadParameter("--public and --auth-method contradict each other")
        if not (values["redirect_uris"] or values["device"] or values["grant_types"]):
            raise typer.BadParameter("--public needs --redirect-uri URI or --device")
        values["token_endpoint_auth_method"] = AuthMethod.NONE
    if values["redirect_uris"] and not values["grant_types"]:
        values["grant_types"] = [GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN]
    if values.pop("device"):
        of_device = [GrantType.DEVICE_CODE, GrantType.REFRESH_TOKEN]
        values["grant_types"] = list(dict.fromkeys([*(values["grant_types"] or []), *of_device]))


def _assign(work: UnitOfWork, created: Client, roles: list[str] | None) -> Iterator[str]:
    """Assign roles to a new client; the sentences are about what it cannot do yet."""
    if roles and not created.audiences:
        raise typer.BadParameter("--role needs an --audience, at which it is assigned")
    for role, audience in product(roles or [], created.audiences):
        work.assignments.assign(created.client_id, Assignment(role=role, audience=audience))
    return iter([*_missing(work, created)] or [*_first_token(created)])


def _first_token(client: Client) -> Iterator[str]:
    """How to get a token, for a client that can get one by its secret alone."""
    if CLIENT.shown_once(client) and GrantType.CLIENT_CREDENTIALS in client.grant_types:
        words = ["issuer", "token", "--client-id", client.client_id]
        words += ["--audience", client.audiences[0]] if len(client.audiences) > 1 else []
        words += ["--url", str(named_server())] if named_server() and SERVER not in environ else []
        yield f"Get a token with `{shlex.join(words)}`, which asks for the secret."


def _missing(work: UnitOfWork, client: Client) -> Iterator[str]:
    """Sentences, each with the command to run next. None for a client that can do something."""
    name = shlex.quote(client.client_id)
    is_of_people = GrantType.CLIENT_CREDENTIALS not in client.grant_types
    has_keys = client.jwks or client.jwks_uri or client.trusts
    if client.token_endpoint_auth_method is AuthMethod.PRIVATE_KEY_JWT and not has_keys:
        yield (
            f"It cannot authenticate yet. Make a key with `issuer client key create {name} --out"
            f" FILE`, or trust another issuer with `issuer client trust add {name} …`."
        )
    acts = client.may_act or client.external_audiences
    if acts and GrantType.TOKEN_EXCHANGE not in client.grant_types:
        yield (
            "It cannot act for people yet. Add the grant type with `issuer client update"
            f" {name} --add-grant-type {GrantType.TOKEN_EXCHANGE}`."
        )
    if not client.audiences:
        yield (
            "It can get no token for an AgentOS yet. Add its audience with `issuer client update"
            f" {name} --add-audience ID`."
        )
    # Scopes of its own matter: of its own tokens, or of people who have only these.
    elif not ((is_of_people or acts) and client.user_rights is UserRights.ALL) and not (
        client.scopes or work.assignments.of(client.client_id)
    ):
        yield (
            "Its tokens have no scopes yet. Assign a role with `issuer client role assign"
            f" {name} ROLE --audience {shlex.quote(client.audiences[0])}`."
        )
        if {GrantType.AUTHORIZATION_CODE, GrantType.DEVICE_CODE}.intersection(client.grant_types):
            yield (
                "Or let people who sign in through it use all that they hold, with `issuer client"
                f" update {name} --user-rights all`."
            )


def _row(client: ListedClient) -> dict[str, object]:
    state = "disabled" if client.disabled else "enabled"
    return {
        "state": state,
        "last_used": output.day(client.last_used_at),
        "roles_and_scopes": [*client.roles, *client.scopes],
    }


commands.list(
    ["client_id", "state", "last_used", "roles_and_scopes"],
    """List the clients in order of id, with when a secret of each was last used.

    With --json, all members; secrets are never shown.""",
    "--limit 20 --json",
    row=_row,
)
commands.show("ci-bot", ". For its roles, see client role list; secrets are never shown.")
commands.create(
    {"client_id": key_argument(CLIENT)}
    | options_of(CLIENT, ["name", "audiences"])
    | {"roles": _ROLES_AT_AUDIENCES}
    | _OPTIONS
    | {"public": _PUBLIC, "device": _DEVICE},
    """Create a client and show its first secret once.

    With --redirect-uri its grant types are authorization_code and refresh_token, unless
    --grant-type names others; without, client_credentials. With keys it gets no secret. It says
    what the client cannot do yet, and the command to run next.""",
    "ci-bot --audience my-os --role web-runner",
    "web --audience my-os --grant-type password",
    "app --public --redirect-uri https://app.example/cb",
    "cli --public --device --audience my-os",
    "batch --audience my-os --jwks @batch.jwks.json",
    "--audience my-os --access-token-ttl 5m --json",
    then=_assign,
    complete=_complete,
)
commands.update(
    _OPTIONS,
    "Change the named members only. A disabled client is refused within a second.",
    'ci-bot --add-scope agents:run --claims \'{"team": "a"}\'',
    "ci-bot --add-audience other-os",
    "ci-bot --claims '{\"tenant\": null}' --disabled",
    "agents --add-may-act support=archive",
    lists=["audiences", "scopes", "grant_types", "may_act", "external_audiences"],
)


@app.command("pin")
def pin_document(
    url: str = argument("URL", "The URL of the document: the id of the client."),
    file: Path = option("FILE", "The document, saved from there.", "--file", "-f"),
) -> None:
    """Keep the metadata document of a client, for networks without internet access.

    It is never fetched, whatever ISSUER_CLIENT_METADATA_HOSTS says. Pin it again to change it,
    or delete the client.

    Examples:

      issuer client pin https://app.example/client.json -f client.json
    """
    fields = read_document(url, content_of(file))
    with changing() as work:
        client = work.clients.keep_document(fields, pinned=True)
    output.show(client)


operations.on_resource(OPERATIONS)


commands.delete(
    "Delete a client, its secrets, assignments and tokens. Its id may be used again.",
    "ci-bot",
)
