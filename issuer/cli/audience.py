"""`issuer audience`."""

from typing import Annotated

import typer

from issuer.audiences import AudienceFields
from issuer.cli import completion, output
from issuer.cli.command import every, given, given_patch, new_app
from issuer.cli.opening import changing, reading
from issuer.cli.options import AsJson, Cascade, Lifetime, Limit, Name
from issuer.vocabulary import SigningAlgorithm

app = new_app("The AgentOS deployments that tokens are made for (RFC 8707 resource servers).")

_ALGORITHMS = f"What its tokens are signed with: {', '.join(SigningAlgorithm)}."

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
    typer.Option("--include-roles/--no-roles", help="Whether its tokens name roles."),
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
        found = work.audiences.get(audience)
    output.show(found, as_json=as_json)


@app.command("create")
def create_audience(
    audience: Annotated[str, typer.Argument(metavar="AUDIENCE", help="The id of the AgentOS.")],
    name: Name = None,
    signing_alg: Algorithm = None,
    access_token_ttl: Lifetime = None,
    include_roles: IncludeRoles = None,
    as_json: AsJson = False,
) -> None:
    """Create an audience: from now on clients can be allowed to ask tokens for it.

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
    """Change what is named, leave the rest. Tokens already made stay as they are.

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
    """Delete an audience, and take back all tokens for it; no id used again revives them.

    One in use is refused, unless --cascade takes it from all who have it.

    Examples:

      issuer audience delete my-os
      issuer audience delete my-os --cascade
    """
    with changing() as work:
        work.audiences.delete(audience, cascade=cascade)
    output.say(f"Deleted the audience {audience}.", {"deleted": audience}, as_json=as_json)
