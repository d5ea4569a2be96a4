"""`issuer client role` and `issuer user role`: the same three commands for both."""

from collections.abc import Callable
from typing import Annotated

import typer

from issuer.cli import completion, output
from issuer.cli.command import new_app
from issuer.cli.opening import changing, reading
from issuer.cli.options import AsJson, RoleName
from issuer.composition import UnitOfWork
from issuer.roles import Assignment

AtAudience = Annotated[
    str | None,
    typer.Option(
        "--audience",
        metavar="ID",
        help="At this audience only.",
        autocompletion=completion.audiences,
    ),
]
Everywhere = Annotated[bool, typer.Option("--everywhere", help="At every audience.")]


def assignment_commands(
    kind: str, example: str, find: Callable[[UnitOfWork, str], str], complete: completion.Complete
) -> typer.Typer:
    """The commands for the roles of a `kind` of principal. `find` returns the id."""
    app = new_app(f"Assign roles to a {kind}, at one audience or everywhere.")
    Principal = Annotated[  # noqa: N806 - a type
        str,
        typer.Argument(
            metavar=kind.upper(),
            help="The id or the name of the user." if kind == "user" else f"The id of the {kind}.",
            autocompletion=complete,
        ),
    ]

    @app.command(
        "list",
        help=f"""List the roles of a {kind}, each with its audience.

        Examples:

          issuer {kind} role list {example}
        """,
    )
    def list_assignments(principal: Principal, as_json: AsJson = False) -> None:
        with reading() as work:
            assignments = work.assignments.of(find(work, principal))
        if as_json:
            output.show_all(assignments, [], as_json=True)
        else:
            rows = [{"role": each.role, "audience": _where(each)} for each in assignments]
            output.show_all(rows, ["role", "audience"], as_json=False)

    @app.command(
        "assign",
        help=f"""Assign a role to a {kind}. Nothing changes if it is assigned already.

        Examples:

          issuer {kind} role assign {example} web-runner --audience my-os
          issuer {kind} role assign {example} web-runner --everywhere
        """,
    )
    def assign_role(
        principal: Principal,
        role: RoleName,
        audience: AtAudience = None,
        everywhere: Everywhere = False,
        as_json: AsJson = False,
    ) -> None:
        assignment = _assignment(role, audience, everywhere=everywhere)
        with changing() as work:
            work.assignments.assign(find(work, principal), assignment)
        output.say(
            f"Assigned the role {role} to {principal}, {_where(assignment)}.",
            {"assigned": assignment.model_dump()},
            as_json=as_json,
        )

    @app.command(
        "unassign",
        help=f"""Remove a role from a {kind}, at the audience where it was assigned.

        Examples:

          issuer {kind} role unassign {example} web-runner --audience my-os
          issuer {kind} role unassign {example} web-runner --everywhere
        """,
    )
    def unassign_role(
        principal: Principal,
        role: RoleName,
        audience: AtAudience = None,
        everywhere: Everywhere = False,
        as_json: AsJson = False,
    ) -> None:
        assignment = _assignment(role, audience, everywhere=everywhere)
        with changing() as work:
            work.assignments.unassign(find(work, principal), assignment)
        output.say(
            f"Removed the role {role} from {principal}, {_where(assignment)}.",
            {"unassigned": assignment.model_dump()},
            as_json=as_json,
        )

    return app


def _assignment(role: str, audience: str | None, *, everywhere: bool) -> Assignment:
    """Wrong usage unless exactly one of both is set: no role applies everywhere by mistake."""
    if everywhere == (audience is not None):
        raise typer.BadParameter("give either --audience ID or --everywhere")
    return Assignment(role=role, audience=audience)


def _where(assignment: Assignment) -> str:
    return "everywhere" if assignment.audience is None else f"at {assignment.audience}"
