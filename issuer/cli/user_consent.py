"""`issuer user consent`."""

import typer

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.opening import changing, reading
from issuer.cli.options import AsJson, ClientId, UserName
from issuer.cli.subjects import find_user

app: typer.Typer = new_app("What a user allowed clients to do.")


@app.command("list")
def list_consents(user: UserName, as_json: AsJson = False) -> None:
    """List what a user allowed, by client and audience.

    Examples:

      issuer user consent list alice
    """
    with reading() as work:
        consents = work.consents.of_user(find_user(work, user).id)
    columns = ["client_id", "audience", "granted_at", "openid_scopes", "scopes"]
    output.show_all(consents, columns, as_json=as_json)


@app.command("withdraw")
def withdraw_consents(user: UserName, client: ClientId, as_json: AsJson = False) -> None:
    """Withdraw what a user allowed a client, and revoke the client's tokens of that user.

    Examples:

      issuer user consent withdraw alice web-app
    """
    with changing() as work:
        user_id = find_user(work, user).id
        work.consents.withdraw(user_id, client)
    output.say(f"Withdrew what {user} allowed {client}.", {"withdrawn": client}, as_json=as_json)
