"""`issuer user`."""

import secrets
from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.collection import CollectionCommands, Parts
from issuer.cli.command import argument, flag, new_app, option
from issuer.cli.confirming import ask
from issuer.cli.members import option_of, options_of
from issuer.cli.opening import find_user, managing, operator
from issuer.cli.operations import OperationCommands
from issuer.cli.options import PasswordStdin, UserName, known_clients
from issuer.cli.users.importing import import_users
from issuer.composition import UnitOfWork
from issuer.sign_in import NewInvitation
from issuer.sign_in import operations as sign_in
from issuer.token_exchange import operations as delegations
from issuer.users import USER
from issuer.users.operations import OPERATIONS, STATE, USER_ROLES

_GENERATED_BYTES = 18  # 24 characters
app = new_app("People with a password (RFC 6749 §1.1), by id or user name.")
operations = OperationCommands(app, UserName, find_user, "alice")
operations.part(USER_ROLES.part, OPERATIONS)
for part in (sign_in.FACTORS, sign_in.IDENTITIES, sign_in.SESSIONS):
    operations.part(part, sign_in.OPERATIONS)
operations.part(sign_in.CONSENTS, sign_in.OPERATIONS, known_clients)
operations.part(delegations.DELEGATIONS, delegations.OPERATIONS, known_clients)
commands = CollectionCommands(app, USER, UserName, find_user)

_USERNAME = Annotated[str, argument("USERNAME", USER.members["username"].help)]
_NEW_USERNAME = Annotated[str | None, option("TEXT", "New name to sign in with.")]
_OPTIONS = options_of(USER, ["email", "email_verified", "name", "language", "claims", "disabled"])


def _parts(work: UnitOfWork, user_id: str) -> Parts:
    roles, state = work.assignments.roles_of(user_id), work.item(STATE, user_id)
    return {"roles": roles, **state.model_dump(mode="json")}, {"noticed_by": state.departure}


commands.list(
    ["username", "state", "last_sign_in", "roles"],
    """List the users in order of name, with their roles, also through groups.

    With --json, all members.""",
    "--limit 20 --json",
    row=lambda user: {"state": user.states, "last_sign_in": output.day(user.last_sign_in_at)},
)
commands.show(
    "alice",
    ", with groups and roles, failed sign-in attempts and locks.\n\n"
    "noticed_by says how this issuer would notice that the person left.",
    _parts,
)
commands.create(
    {"username": _USERNAME, "id": option_of(USER, "id"), **_OPTIONS},
    "Create a user. The user cannot sign in before a password is set.",
    "alice",
    'alice --email alice@example.com --claims \'{"team": "a"}\'',
)
commands.update(
    {"username": _NEW_USERNAME, **_OPTIONS},
    "Change the named members only. A disabled user and its tokens are refused at once.",
    "alice --email alice@example.org",
    "alice --disabled",
)


@app.command("password")
def set_password(
    user: UserName,
    password_stdin: PasswordStdin = False,
    generate: bool = flag("--generate", "Generate a password and show it once."),
) -> None:
    """Set the password of a user. The command asks for it, without echo.

    Ends the sessions and revokes the tokens of a user who could sign in before.

    Examples:

      issuer user password alice
      issuer user password alice --generate
      issuer user password alice --password-stdin < password.txt
    """
    if generate:
        password = secrets.token_urlsafe(_GENERATED_BYTES)
    else:
        password = ask(
            "password",
            from_stdin=password_stdin,
            otherwise="--password-stdin or --generate",
            twice=True,
        )
    with managing() as administration:
        prepared = administration.passwords.prepared(password)
        with administration.changing(operator()) as work:
            result = find_user(work, user)
            work.users.set_password(result.id, prepared)
    if generate:
        output.show(result, password=password)
    else:
        output.say(f"The password of {user} is set.", {"id": result.id})


def _print_link(user_id: str, made: NewInvitation) -> bool:
    if made.replaces is not None:
        typer.echo("Warning: The earlier link no longer works.", err=True)
    said = made.url or f"The invitation was sent to {made.sent_to}."
    output.say(said, {"id": user_id, **made.model_dump(mode="json", exclude_unset=True)})
    return True


operations.part(
    sign_in.INVITATION, sign_in.OPERATIONS, output_of=output.NewOutput(prints=_print_link)
)
operations.on_resource(OPERATIONS)
app.command("import")(import_users)


commands.delete(
    "Delete a user, its assignments and tokens. Its id may be used again.",
    "alice",
)
