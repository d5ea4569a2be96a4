"""`issuer client role` and `issuer user role`: the same three commands for both."""

from collections.abc import Callable
from typing import Annotated

import typer

from issuer.cli import output
from issuer.cli.command import new_app
from issuer.cli.house import changing, reading
from issuer.cli.options import AsJson
from issuer.roles import Assignment
from issuer.services import Rooms

Principal = Annotated[str, typer.Argument(metavar="WHO", help="Its id; of a user also the name.")]
RoleName = Annotated[str, typer.Argument(metavar="ROLE", help="The name of the role.")]
AtAudience = Annotated[
    str | None, typer.Option("--audience", help="Only at this audience; else everywhere.")
]


def assignment_commands(kind: str, example: str, find: Callable[[Rooms, str], str]) -> typer.Typer:
    """The commands for the roles of a `kind` of principal. `find` gives the id, or raises."""
    app = new_app(f"The roles of a {kind}, at one audience or everywhere.")

    @app.command(
        "list",
        help=f"""List the roles of a {kind}, each with the audience it is for, if only for one.

        Examples:

          issuer {kind} role list {example}
        """,
    )
    def list_assignments(principal: Principal, as_json: AsJson = False) -> None:
        with reading() as rooms:
            assignments = rooms.assignments.of(find(rooms, principal))
        output.show_all(assignments, ["role", "audience"], as_json=as_json)

    @app.command(
        "give",
        help=f"""Give a role to a {kind}. Giving it again is fine.

        Examples:

          issuer {kind} role give {example} web-runner
          issuer {kind} role give {example} web-runner --audience my-os
        """,
    )
    def give_role(
        principal: Principal, role: RoleName, audience: AtAudience = None, as_json: AsJson = False
    ) -> None:
        assignment = Assignment(role=role, audience=audience)
        with changing() as rooms:
            rooms.assignments.give(find(rooms, principal), assignment)
        _say("given", principal, assignment, as_json=as_json)

    @app.command(
        "take",
        help=f"""Take a role from a {kind}: exactly what was given, with or without an audience.

        Examples:

          issuer {kind} role take {example} web-runner
          issuer {kind} role take {example} web-runner --audience my-os
        """,
    )
    def take_role(
        principal: Principal, role: RoleName, audience: AtAudience = None, as_json: AsJson = False
    ) -> None:
        assignment = Assignment(role=role, audience=audience)
        with changing() as rooms:
            rooms.assignments.take(find(rooms, principal), assignment)
        _say("taken", principal, assignment, as_json=as_json)

    return app


def _say(done: str, principal: str, assignment: Assignment, *, as_json: bool) -> None:
    where = "everywhere" if assignment.audience is None else f"at {assignment.audience}"
    preposition = "to" if done == "given" else "from"
    output.say(
        f"The role {assignment.role} {where} was {done} {preposition} {principal}.",
        {done: assignment.model_dump()},
        as_json=as_json,
    )
