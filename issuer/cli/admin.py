"""`issuer admin`."""

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.init import show_admin
from issuer.cli.opening import operator, read_settings
from issuer.cli.options import AsJson
from issuer.setup import change_url as move_database
from issuer.setup import recover_admin

app = new_app("Recover the admin client, or change the issuer's URL.")


@app.command()
def recover(as_json: AsJson = False) -> None:
    """Make a new secret for the admin client and show it once. Its old secrets are deleted.

    The client is created again if it was deleted, enabled if it was disabled, and gets back
    issuer:admin.

    Examples:

      issuer admin recover
    """
    show_admin(recover_admin(read_settings(), operator()), as_json=as_json)


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
