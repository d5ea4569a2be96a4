"""`issuer user`."""

import secrets
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from issuer.cli import completion, output
from issuer.cli.asking import ask
from issuer.cli.assignments import assignment_commands
from issuer.cli.command import every, given, given_patch, new_app
from issuer.cli.opening import changing, opened, operator, reading
from issuer.cli.options import (
    AsJson,
    Claims,
    Disabled,
    Email,
    Limit,
    Name,
    PasswordStdin,
    UserName,
)
from issuer.composition import UnitOfWork
from issuer.errors import NotFound
from issuer.users import User, UserFields

_GENERATED_BYTES = 18  # 24 characters


def find(work: UnitOfWork, id_or_name: str) -> User:
    """The user of that id, else of that name; `NotFound` if there is neither."""
    with suppress(NotFound):
        return work.users.get(id_or_name)
    return work.users.get_by_username(id_or_name)


app = new_app("People with a password (RFC 6749 §1.1). Each goes by id or by user name.")
app.add_typer(
    assignment_commands("user", "alice", lambda work, name: find(work, name).id, completion.users),
    name="role",
)


class _UserState(User):
    """What an operator wants to see of a user."""

    failed_attempts: int
    locked_until: datetime | None


@app.command("list")
def list_users(limit: Limit = None, as_json: AsJson = False) -> None:
    """List the users in order of id.

    Examples:

      issuer user list
      issuer user list --limit 20 --json
    """
    with reading() as work:
        users = every(work.users.page, "id", limit)
    output.show_all(users, ["id", "username", "email", "name", "disabled"], as_json=as_json)


@app.command("show")
def show_user(user: UserName, as_json: AsJson = False) -> None:
    """Show one user, with failed sign-in attempts and locks.

    Examples:

      issuer user show alice
    """
    with opened() as parts:
        with parts.administration.reading() as work:
            found = find(work, user)
        state = parts.sign_in.guard.state_of(found.id)
    output.show(_UserState(**dict(found), **asdict(state)), as_json=as_json)


@app.command("create")
def create_user(
    username: Annotated[str, typer.Argument(help="The name to sign in with.")],
    user_id: Annotated[
        str | None, typer.Option("--id", help="Its id, the sub of its tokens; made if left out.")
    ] = None,
    email: Email = None,
    name: Name = None,
    claims: Claims = None,
    disabled: Disabled = None,
    as_json: AsJson = False,
) -> None:
    """Create a user, who cannot sign in before user password has set one.

    Examples:

      issuer user create alice
      issuer user create alice --email alice@example.com --claims '{"team": "a"}'
    """
    members = given(
        id=user_id, username=username, email=email, name=name, claims=claims, disabled=disabled
    )
    with changing() as work:
        created = work.users.create(UserFields.read(members))
    output.show(created, as_json=as_json)


@app.command("update")
def update_user(
    user: UserName,
    username: Annotated[str | None, typer.Option(help="Another name to sign in with.")] = None,
    email: Email = None,
    name: Name = None,
    claims: Claims = None,
    disabled: Disabled = None,
    as_json: AsJson = False,
) -> None:
    """Change what is named, leave the rest. A disabled user is refused at once, with all tokens.

    Examples:

      issuer user update alice --email alice@example.org
      issuer user update alice --disabled
    """
    patch = given_patch(username=username, email=email, name=name, claims=claims, disabled=disabled)
    with changing() as work:
        updated = work.users.update(find(work, user).id, patch)
    output.show(updated, as_json=as_json)


@app.command("password")
def set_password(
    user: UserName,
    password_stdin: PasswordStdin = False,
    generate: Annotated[
        bool, typer.Option("--generate", help="Make a password and show it, this once.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set the password of a user, asked for without echo. It is never an argument.

    Tokens got with the one before are refused from now on.

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
    with opened() as parts:
        prepared = parts.sign_in.passwords.prepared(password)
        with parts.administration.changing(operator()) as work:
            found = find(work, user)
            work.users.set_password(found.id, prepared)
    if generate:
        output.show(found, as_json=as_json, password=password)
    else:
        output.say(f"The password of {user} is set.", {"id": found.id}, as_json=as_json)


@app.command("revoke-tokens")
def revoke_tokens(user: UserName, as_json: AsJson = False) -> None:
    """Have every token issued to a user so far refused, everywhere within seconds.

    Whoever can sign in may get new ones.

    Examples:

      issuer user revoke-tokens alice
    """
    with changing() as work:
        user_id = find(work, user).id
        work.users.revoke_tokens(user_id)
    output.say(f"The tokens of {user} are revoked.", {"revoked": user_id}, as_json=as_json)


@app.command("unlock")
def unlock_user(user: UserName, as_json: AsJson = False) -> None:
    """Forget the wrong passwords that were tried, so that the user may sign in at once.

    A lock ends by itself as well, and a new password ends it.

    Examples:

      issuer user unlock alice
    """
    with changing() as work:
        user_id = find(work, user).id
        work.users.unlock(user_id)
    output.say(f"The user {user} may sign in.", {"unlocked": user_id}, as_json=as_json)


@app.command("delete")
def delete_user(user: UserName, as_json: AsJson = False) -> None:
    """Delete a user, all assignments and tokens. The id may be used again.

    Examples:

      issuer user delete alice
    """
    with changing() as work:
        user_id = find(work, user).id
        work.users.delete(user_id)
    output.say(f"Deleted the user {user}.", {"deleted": user_id}, as_json=as_json)
