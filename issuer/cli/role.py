"""`issuer role`."""

from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.command import adjusted, every, given, given_patch, new_app
from issuer.cli.hints import warn_about
from issuer.cli.opening import changing, reading
from issuer.cli.options import AddScopes, AsJson, Cascade, Limit, RemoveScopes, RoleName, Scopes
from issuer.roles import RoleFields

app = new_app("Named sets of AgentOS scopes, assigned to clients and users.")

Description = Annotated[str | None, typer.Option(help="What it is for.")]


@app.command("list")
def list_roles(limit: Limit = None, as_json: AsJson = False) -> None:
    """List the roles in order of name, with their scopes.

    Examples:

      issuer role list
    """
    with reading() as work:
        roles = every(work.roles.page, "name", limit)
    output.show_all(roles, ["name", "scopes", "description"], as_json=as_json)


@app.command("show")
def show_role(role: RoleName, as_json: AsJson = False) -> None:
    """Show one role.

    Examples:

      issuer role show web-runner
    """
    with reading() as work:
        result = work.roles.get(role)
    output.show(result, as_json=as_json)


@app.command("create")
def create_role(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="The name of the role.")],
    scopes: Scopes = None,
    description: Description = None,
    as_json: AsJson = False,
) -> None:
    """Create a role. Clients and users with the role may request its scopes.

    Examples:

      issuer role create web-runner --scope agents:web:run --scope agents:web:read
      issuer role create admin --scope agent_os:admin --description "All rights"
    """
    members = given(name=role, scopes=scopes, description=description)
    with changing() as work:
        created = work.roles.create(RoleFields.read(members))
    output.show(created, as_json=as_json)
    warn_about(created.scopes)


@app.command("update")
def update_role(
    role: RoleName,
    scopes: Scopes = None,
    add_scopes: AddScopes = None,
    remove_scopes: RemoveScopes = None,
    description: Description = None,
    as_json: AsJson = False,
) -> None:
    """Change the named members only. This applies at once wherever the role is assigned.

    Examples:

      issuer role update web-runner --add-scope sessions:read
      issuer role update web-runner --scope agents:web:read
    """
    with changing() as work:
        current = work.roles.get(role).scopes
        new = adjusted("scope", current, all_of_them=scopes, more=add_scopes, less=remove_scopes)
        updated = work.roles.update(role, given_patch(scopes=new, description=description))
    output.show(updated, as_json=as_json)
    if new is not None:
        warn_about(updated.scopes)


@app.command("delete")
def delete_role(role: RoleName, cascade: Cascade = False, as_json: AsJson = False) -> None:
    """Delete a role. Refused while it is assigned, unless --cascade unassigns it.

    Examples:

      issuer role delete web-runner
      issuer role delete web-runner --cascade
    """
    with changing() as work:
        work.roles.delete(role, cascade=cascade)
    output.say(f"Deleted the role {role}.", {"deleted": role}, as_json=as_json)
