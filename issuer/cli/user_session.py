"""`issuer user session`."""

from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.opening import changing, reading
from issuer.cli.options import AsJson, UserName
from issuer.cli.subjects import find_user

app = new_app("The browsers in which a user is signed in.")


@app.command("list")
def list_sessions(user: UserName, as_json: AsJson = False) -> None:
    """List the sessions of a user, newest first.

    Examples:

      issuer user session list alice
    """
    with reading() as work:
        sessions = work.sessions.of_user(find_user(work, user).id)
    columns = ["id", "created_at", "used_at", "methods", "address", "user_agent"]
    output.show_all(sessions, columns, as_json=as_json)


@app.command("end")
def end_session(
    user: UserName,
    session_id: Annotated[str, typer.Argument(metavar="ID", help="The id of the session.")],
    as_json: AsJson = False,
) -> None:
    """Sign a user out of a browser, and revoke every token of that session.

    `issuer user revoke-tokens` ends all sessions of a user.

    Examples:

      issuer user session end alice session_4v7hq2m8x1kd0c5tz9pa
    """
    with changing() as work:
        work.sessions.end(find_user(work, user).id, session_id)
    output.say(f"Ended the session {session_id}.", {"ended": session_id}, as_json=as_json)
