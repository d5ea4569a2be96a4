"""`issuer admin`."""

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.init import show_admin
from issuer.cli.opening import operator, read_settings
from issuer.cli.options import AsJson
from issuer.setup import change_url as changed_url
from issuer.setup import recover_admin

app = new_app("The way back in for an administrator.")


@app.command()
def recover(as_json: AsJson = False) -> None:
    """Make a new secret for the admin client and show it, this once. Its old secrets end.

    The client is made again if it was deleted, enabled if it was disabled, and given back the
    right to everything.

    Examples:

      issuer admin recover
    """
    show_admin(recover_admin(read_settings(), operator()), as_json=as_json)


@app.command()
def change_url(as_json: AsJson = False) -> None:
    """Move the database to another ISSUER_URL: the one that is set now.

    Stop every server first. Tokens issued so far have the old URL as `iss` and are refused
    afterwards; refresh tokens go on. Then set the new URL in every AgentOS and every client.

    Examples:

      ISSUER_URL=https://id.example issuer admin change-url
    """
    settings = read_settings()
    before = changed_url(settings, operator())
    if before == settings.url:
        sentence = f"The database belongs to {before} already: nothing was changed."
    else:
        sentence = (
            f"The database belongs to {settings.url} now; it belonged to {before}."
            " Start the servers again, and name the new URL in every AgentOS and client."
        )
    output.say(sentence, {"before": before, "after": settings.url}, as_json=as_json)
