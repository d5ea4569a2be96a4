"""`issuer admin`."""

from issuer.cli.command import new_app
from issuer.cli.house import operator, read_settings
from issuer.cli.init import show_admin
from issuer.cli.options import AsJson
from issuer.setup import recover_admin

app = new_app("The way back in for an administrator.")


@app.callback()
def admin() -> None:
    """Makes a group of what has only one command so far."""


@app.command()
def recover(as_json: AsJson = False) -> None:
    """Make a new secret for the admin client and show it, this once. Its old secrets end.

    The client is made again if it was deleted, enabled if it was disabled, and given back the
    right to everything.

    Examples:

      issuer admin recover
    """
    show_admin(recover_admin(read_settings(), operator()), as_json=as_json)
