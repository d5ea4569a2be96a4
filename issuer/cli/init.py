"""`issuer init`."""

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.opening import operator, read_settings
from issuer.cli.options import AsJson
from issuer.setup import Initialised, initialise

app = new_app()


@app.command()
def init(as_json: AsJson = False) -> None:
    """Make what is missing: data directory, master key, schema, signing keys, admin client.

    What is there stays as it is, so it can be run again. The secret of the admin client is
    shown when it is made and never again.

    Examples:

      issuer init
      ISSUER_URL=https://id.example issuer init --json
    """
    settings = read_settings()
    with output.working("Creating keys and schema"):
        made = initialise(settings, operator())
    show_admin(made, as_json=as_json)


def show_admin(made: Initialised, *, as_json: bool) -> None:
    """Where the house is, and how an administrator gets in."""
    members = {
        "issuer": made.issuer,
        "data_dir": str(made.data_dir),
        "client_id": made.client_id,
        "client_secret": made.client_secret,
    }
    if as_json:
        output.print_json(members)
        return
    print(f"The issuer {made.issuer} is ready. Its data directory is {made.data_dir}.\n")
    print(f"client_id: {made.client_id}")
    if made.client_secret is None:
        print("Its secret was shown when it was made: `issuer admin recover` makes a new one.")
    else:
        print(f"client_secret: {made.client_secret}\n")
        print("The secret is shown only now. If it is lost, `issuer admin recover` makes another.")
