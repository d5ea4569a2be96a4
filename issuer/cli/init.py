"""`issuer init`."""

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.opening import operator, read_settings
from issuer.cli.options import AsJson
from issuer.provisioning.setup import Initialised, initialise

app = new_app()


@app.command()
def init(as_json: AsJson = False) -> None:
    """Create what is missing: data directory, master key, schema, signing keys, admin client.

    Existing parts stay as they are, so init can run before every start; it waits for another one
    to end. The secret of the admin client is shown once, when it is created, or comes from
    ISSUER_ADMIN_SECRET. With ISSUER_MASTER_KEY and PostgreSQL, no data directory is needed.

    Examples:

      issuer init
      ISSUER_URL=https://id.example issuer init --json
    """
    settings = read_settings()
    with output.working("Creating keys and schema"):
        initialised = initialise(settings, operator())
    show_admin(initialised, as_json=as_json)
    if not as_json:
        print("\nTo administer the issuer in a browser, run `issuer admin invite`.")


def show_admin(initialised: Initialised, *, as_json: bool) -> None:
    """Print the data directory and the credentials of the admin client."""
    members = {
        "issuer": initialised.issuer,
        "data_dir": initialised.data_dir and str(initialised.data_dir),
        "client_id": initialised.client_id,
        "client_secret": initialised.client_secret,
    }
    if as_json:
        output.print_json(members)
        return
    where = f" Its data directory is {initialised.data_dir}." if initialised.data_dir else ""
    output.print_text(f"The issuer {initialised.issuer} is ready.{where}")
    print()
    output.print_text(f"client_id: {initialised.client_id}")
    if initialised.client_secret is None:
        print("Its secret was set when it was created. `issuer admin recover` replaces it.")
    else:
        print(f"client_secret: {initialised.client_secret}\n")
        print("The secret is shown only once. If it is lost, run `issuer admin recover`.")
