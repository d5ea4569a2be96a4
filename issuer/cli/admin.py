"""`issuer admin`."""

from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.administrator import USERNAME, make_administrator
from issuer.cli.command import new_app
from issuer.cli.init import show_admin
from issuer.cli.opening import credential_ids, operator, read_settings
from issuer.cli.options import AsJson, KeepCredentials
from issuer.composition import composed
from issuer.provisioning.setup import change_url as move_database
from issuer.provisioning.setup import recover_admin

app = new_app("Invite an administrator, recover the admin client, or change the issuer's URL.")


@app.command()
def invite(
    user: Annotated[
        str, typer.Argument(metavar="USER", help="The name of the user, or the id.")
    ] = USERNAME,
    as_json: AsJson = False,
) -> None:
    """Make a user an administrator of this issuer, and print a link to the first sign-in.

    The user is created if missing, and gets the role administrator with the scope issuer:admin,
    with which the console shows and changes everything. Send the link to that person alone. There
    is no link for a user who has a password or a passkey.

    Examples:

      issuer admin invite
      issuer admin invite alice
    """
    settings = read_settings()
    with composed(settings) as parts, parts.administration.changing(operator()) as work:
        made = make_administrator(work, user, settings.url)
    sentence = f"{made.username} signs in at {settings.url}/console."
    if made.invitation is not None:
        sentence = made.invitation.url
    output.say(sentence, made.as_members(), as_json=as_json)


@app.command()
def recover(keep_credentials: KeepCredentials = None, as_json: AsJson = False) -> None:
    """Make a new secret for the admin client and show it once. Its old secrets are deleted.

    The client is created again if it was deleted, enabled if it was disabled, and gets back
    issuer:admin.

    Examples:

      issuer admin recover
    """
    recovered = recover_admin(read_settings(), operator(), credential_ids(keep_credentials))
    show_admin(recovered, as_json=as_json)


@app.command()
def change_url(as_json: AsJson = False) -> None:
    """Move the database to the ISSUER_URL that is set now.

    Stop every server first. Access tokens issued so far have the old URL as iss and are refused
    afterwards; refresh tokens stay valid. Then set the new URL in every AgentOS and client.

    Examples:

      ISSUER_URL=https://id.example issuer admin change-url
    """
    settings = read_settings()
    before = move_database(settings, operator())
    if before == settings.url:
        sentence = f"The database already belongs to {before}: nothing was changed."
    else:
        sentence = (
            f"The database belongs to {settings.url} now; it belonged to {before}."
            " Start the servers again, and set the new URL in every AgentOS and client."
        )
    output.say(sentence, {"before": before, "after": settings.url}, as_json=as_json)
