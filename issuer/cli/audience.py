"""`issuer audience`."""

from typing import Annotated

import typer

from issuer.audiences import AudienceFields
from issuer.cli import completion, output
from issuer.cli.command import every, given, given_patch, new_app
from issuer.cli.opening import changing, reading
from issuer.cli.options import AsJson, Cascade, Lifetime, Limit, Name
from issuer.vocabulary import SigningAlgorithm

app = new_app("The AgentOS deployments that tokens are issued for (RFC 8707).")

_ALGORITHMS = f"Signing algorithm of its tokens: {', '.join(SigningAlgorithm)}."

AudienceId = Annotated[
    str,
    typer.Argument(
        metavar="AUDIENCE",
        help="The id of the AgentOS.",
        autocompletion=completion.audiences,
    ),
]
Algorithm = Annotated[SigningAlgorithm | None, typer.Option(metavar="ALG", help=_ALGORITHMS)]
IncludeRoles = Annotated[
    bool | None,
    typer.Option("--include-roles/--no-roles", help="Whether its tokens list roles."),
]


@app.command("list")
def list_audiences(limit: Limit = None, as_json: AsJson = False) -> None:
    """List the audiences in order of id. One of them is the issuer's own admin API.

    Examples:

      issuer audience list
    """
    with reading() as work:
        audiences = every(work.audiences.page, "id", limit)
    columns = ["id", "name", "signing_alg", "access_token_ttl", "include_roles"]
    output.show_all(audiences, columns, as_json=as_json)


@app.command("show")
def show_audience(audience: AudienceId, as_json: AsJson = False) -> None:
    """Show one audience.

    Examples:

      issuer audience show my-os
    """
    with reading() as work:
        result = work.audiences.get(audience)
    output.show(result, as_json=as_json)


@app.command("create")
def create_audience(
    audience: Annotated[str, typer.Argument(metavar="AUDIENCE", help="The id of the AgentOS.")],
    name: Name = None,
    signing_alg: Algorithm = None,
    access_token_ttl: Lifetime = None,
    include_roles: IncludeRoles = None,
    as_json: AsJson = False,
) -> None:
    """Create an audience. Clients can then be allowed to request tokens for it.

    Examples:

      issuer audience create my-os
      issuer audience create my-os --signing-alg ES256 --access-token-ttl 10m
    """
    members = given(
        id=audience,
        name=name,
        signing_alg=signing_alg,
        access_token_ttl=access_token_ttl,
        include_roles=include_roles,
    )
    with changing() as work:
        created = work.audiences.create(AudienceFields.read(members))
    output.show(created, as_json=as_json)


@app.command("update")
def update_audience(
    audience: AudienceId,
    name: Name = None,
    signing_alg: Algorithm = None,
    access_token_ttl: Lifetime = None,
    include_roles: IncludeRoles = None,
    as_json: AsJson = False,
) -> None:
    """Change the named members only. Tokens that were issued before stay as they are.

    Examples:

      issuer audience update my-os --access-token-ttl 5m
      issuer audience update my-os --access-token-ttl none --include-roles
    """
    patch = given_patch(
        name=name,
        signing_alg=signing_alg,
        access_token_ttl=access_token_ttl,
        include_roles=include_roles,
    )
    with changing() as work:
        updated = work.audiences.update(audience, patch)
    output.show(updated, as_json=as_json)


@app.command("delete")
def delete_audience(
    audience: AudienceId, cascade: Cascade = False, as_json: AsJson = False
) -> None:
    """Delete an audience and revoke all tokens for it.

    The tokens stay revoked if the id is used again. Refused while the audience is in use,
    unless --cascade removes it from clients and assignments.

    Examples:

      issuer audience delete my-os
      issuer audience delete my-os --cascade
    """
    with changing() as work:
        work.audiences.delete(audience, cascade=cascade)
    output.say(f"Deleted the audience {audience}.", {"deleted": audience}, as_json=as_json)
