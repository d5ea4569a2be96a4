"""`issuer client`."""

from itertools import product
from typing import Annotated

import typer

from issuer.cli import client_rotate, client_secret, completion, output
from issuer.cli.assignments import assignment_commands
from issuer.cli.command import adjusted, every, given, given_patch, new_app
from issuer.cli.hints import warn_about
from issuer.cli.opening import changing, reading
from issuer.cli.options import (
    AddScopes,
    AsJson,
    Claims,
    ClientId,
    Disabled,
    Lifetime,
    Limit,
    Name,
    RemoveScopes,
    Scopes,
)
from issuer.clients import ClientFields
from issuer.roles import Assignment
from issuer.vocabulary import GrantType

app = new_app("Services with credentials of their own (RFC 6749 §2).")
app.add_typer(client_secret.app, name="secret")
app.add_typer(client_rotate.app, name="rotate")
app.add_typer(
    assignment_commands(
        "client",
        "ci-bot",
        lambda work, name: work.clients.get(name).client_id,
        completion.clients,
    ),
    name="role",
)

_GRANTS = f"Grant types that it may use: {', '.join(GrantType)}. Repeatable."

GrantTypes = Annotated[
    list[GrantType] | None,
    typer.Option("--grant-type", metavar="GRANT", help=_GRANTS),
]
Audiences = Annotated[
    list[str] | None,
    typer.Option(
        "--audience",
        metavar="ID",
        help="An audience it may request tokens for. Repeatable; '' for none.",
        autocompletion=completion.audiences,
    ),
]
AddAudiences = Annotated[
    list[str] | None,
    typer.Option(
        "--add-audience",
        metavar="ID",
        help="Add an audience. Repeatable.",
        autocompletion=completion.audiences,
    ),
]
RemoveAudiences = Annotated[
    list[str] | None,
    typer.Option(
        "--remove-audience",
        metavar="ID",
        help="Remove an audience. Repeatable.",
        autocompletion=completion.audiences,
    ),
]
RolesAtAudiences = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="ROLE",
        help="Assign this role at each --audience. Repeatable.",
        autocompletion=completion.roles,
    ),
]
MaySetSession = Annotated[
    bool | None,
    typer.Option(
        "--may-set-session/--no-session", help="Whether it may bind a token to a session_id."
    ),
]


@app.command("list")
def list_clients(limit: Limit = None, as_json: AsJson = False) -> None:
    """List the clients in order of id. Secrets are never shown.

    Examples:

      issuer client list
      issuer client list --limit 20 --json
    """
    with reading() as work:
        clients = every(work.clients.page, "client_id", limit)
    columns = ["client_id", "name", "audiences", "scopes", "grant_types", "disabled"]
    output.show_all(clients, columns, as_json=as_json)


@app.command("show")
def show_client(client: ClientId, as_json: AsJson = False) -> None:
    """Show one client. For its roles, see client role list; secrets are never shown.

    Examples:

      issuer client show ci-bot
    """
    with reading() as work:
        result = work.clients.get(client)
    output.show(result, as_json=as_json)


@app.command("create")
def create_client(
    client: Annotated[
        str | None, typer.Argument(metavar="CLIENT", help="Its id; generated if left out.")
    ] = None,
    name: Name = None,
    audiences: Audiences = None,
    roles: RolesAtAudiences = None,
    scopes: Scopes = None,
    grant_types: GrantTypes = None,
    access_token_ttl: Lifetime = None,
    claims: Claims = None,
    may_set_session: MaySetSession = None,
    disabled: Disabled = None,
    as_json: AsJson = False,
) -> None:
    """Create a client and show its first secret once.

    Examples:

      issuer client create ci-bot --audience my-os --role web-runner
      issuer client create web --audience my-os --grant-type password
      issuer client create --audience my-os --access-token-ttl 5m --json
    """
    members = given(
        client_id=client,
        name=name,
        audiences=audiences,
        scopes=scopes,
        grant_types=grant_types,
        access_token_ttl=access_token_ttl,
        claims=claims,
        may_set_session=may_set_session,
        disabled=disabled,
    )
    audience_ids = [each for each in audiences or [] if each]
    if roles and not audience_ids:
        raise typer.BadParameter("--role needs an --audience, at which it is assigned")
    with changing() as work:
        created, secret = work.clients.create(ClientFields.read(members))
        for role, audience in product(roles or [], audience_ids):
            assignment = Assignment(role=role, audience=audience)
            work.assignments.assign(created.client_id, assignment)
    output.show(created, as_json=as_json, client_secret=secret)
    warn_about(created.scopes)


@app.command("update")
def update_client(
    client: ClientId,
    name: Name = None,
    audiences: Audiences = None,
    add_audiences: AddAudiences = None,
    remove_audiences: RemoveAudiences = None,
    scopes: Scopes = None,
    add_scopes: AddScopes = None,
    remove_scopes: RemoveScopes = None,
    grant_types: GrantTypes = None,
    access_token_ttl: Lifetime = None,
    claims: Claims = None,
    may_set_session: MaySetSession = None,
    disabled: Disabled = None,
    as_json: AsJson = False,
) -> None:
    """Change the named members only. A disabled client is refused within a second.

    Examples:

      issuer client update ci-bot --add-scope agents:run --claims '{"team": "a"}'
      issuer client update ci-bot --add-audience other-os
      issuer client update ci-bot --claims '{"tenant": null}' --disabled
    """
    with changing() as work:
        current = work.clients.get(client)
        patch = given_patch(
            name=name,
            audiences=adjusted(
                "audience",
                current.audiences,
                all_of_them=audiences,
                more=add_audiences,
                less=remove_audiences,
            ),
            scopes=adjusted(
                "scope", current.scopes, all_of_them=scopes, more=add_scopes, less=remove_scopes
            ),
            grant_types=grant_types,
            access_token_ttl=access_token_ttl,
            claims=claims,
            may_set_session=may_set_session,
            disabled=disabled,
        )
        updated = work.clients.update(client, patch)
    output.show(updated, as_json=as_json)
    if "scopes" in patch:
        warn_about(updated.scopes)


@app.command("revoke-tokens")
def revoke_tokens(client: ClientId, as_json: AsJson = False) -> None:
    """Revoke every token issued to a client so far; it is refused everywhere within seconds.

    This includes tokens of users who signed in through it. The client may get new tokens.

    Examples:

      issuer client revoke-tokens ci-bot
    """
    with changing() as work:
        work.clients.revoke_tokens(client)
    output.say(f"The tokens of {client} are revoked.", {"revoked": client}, as_json=as_json)


@app.command("delete")
def delete_client(client: ClientId, as_json: AsJson = False) -> None:
    """Delete a client, its secrets, assignments and tokens. Its id may be used again.

    Examples:

      issuer client delete ci-bot
    """
    with changing() as work:
        work.clients.delete(client)
    output.say(f"Deleted the client {client}.", {"deleted": client}, as_json=as_json)
