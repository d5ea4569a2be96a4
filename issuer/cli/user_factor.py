"""`issuer user factor`."""

from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.confirming import Confirmation, Yes, confirmed
from issuer.cli.opening import changing, reading
from issuer.cli.options import AsJson, UserName
from issuer.cli.subjects import find_user

app = new_app("The second factors of a user: authenticator app and passkeys.")


@app.command("list")
def list_factors(user: UserName, as_json: AsJson = False) -> None:
    """List the second factors of a user, without secrets.

    Examples:

      issuer user factor list alice
    """
    with reading() as work:
        factors = work.factors.of_user(find_user(work, user).id)
    output.show_all(factors, ["id", "kind", "name", "created_at", "last_used_at"], as_json=as_json)


@app.command("remove")
def remove_factor(
    user: UserName,
    factor_id: Annotated[str, typer.Argument(metavar="ID", help="The id of the factor.")],
    as_json: AsJson = False,
) -> None:
    """Remove a second factor. Ends the sessions of the user and revokes its tokens.

    Examples:

      issuer user factor remove alice passkey_4v7hq2m8x1kd0c5tz9pa
    """
    with changing() as work:
        work.factors.revoke(find_user(work, user).id, factor_id)
    output.say(f"Removed the factor {factor_id}.", {"removed": factor_id}, as_json=as_json)


@app.command("reset")
def reset_factors(user: UserName, yes: Yes = False, as_json: AsJson = False) -> None:
    """Remove all second factors and recovery codes of a user who lost them. Asks first.

    Ends the sessions of the user and revokes its tokens. The user signs in with the password
    alone, or sets up a new second factor where ISSUER_SECOND_FACTOR=required.

    Examples:

      issuer user factor reset alice
    """

    def change(confirmation: Confirmation) -> str:
        with changing() as work:
            user_id = find_user(work, user).id
            work.factors.reset(user_id)
            confirmation.require(f"remove all second factors of {user}, and sign the user out")
        return user_id

    user_id = confirmed(change, yes=yes)
    output.say(f"{user} has no second factor any more.", {"reset": user_id}, as_json=as_json)
