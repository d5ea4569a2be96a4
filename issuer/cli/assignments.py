"""`issuer client role` and `issuer user role`: the same three commands for both."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.collection import add_command
from issuer.cli.command import new_app
from issuer.cli.confirming import Confirmation, Yes, confirmed
from issuer.cli.opening import changing, reading
from issuer.cli.options import AsJson, Complete, KeepCredentials, RoleName, known_audiences
from issuer.composition import UnitOfWork
from issuer.roles import Assignment, Assignments

AtAudience = Annotated[
    str | None,
    typer.Option(
        "--audience",
        metavar="ID",
        help="At this audience only.",
        autocompletion=known_audiences,
    ),
]
Everywhere = Annotated[bool, typer.Option("--everywhere", help="At every audience.")]


def assignment_commands(
    kind: str, example: str, find: Callable[[UnitOfWork, str], str], complete: Complete
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
            rows = [{"role": each.role, "audience": each.where} for each in assignments]
            output.show_all(rows, ["role", "audience"], as_json=False)

    def add(
        verb: str,
        change: Callable[[Assignments, str, Assignment], None],
        done: str,
        summary: str,
    ) -> None:
        def change_assignment(
            principal: str,
            role: str,
            audience: str | None,
            everywhere: bool,
            as_json: bool,
            keep_credentials: list[str] | None = None,
            yes: bool = False,
        ) -> None:
            assignment = _assignment(role, audience, everywhere=everywhere)

            def change_once(confirmation: Confirmation) -> None:
                with changing(keep_credentials) as work:
                    change(work.assignments, find(work, principal), assignment)
                    if verb == "unassign":
                        loss = f"unassign the role {role} from {principal}, {assignment.where}"
                        confirmation.require(loss)

            confirmed(change_once, yes=yes)
            sentence = done.format(role=role, principal=principal)
            members = {f"{verb}ed": assignment.model_dump()}
            output.say(f"{sentence}, {assignment.where}.", members, as_json=as_json)

        examples = f"""{summary}

        Examples:

          issuer {kind} role {verb} {example} web-runner --audience my-os
          issuer {kind} role {verb} {example} web-runner --everywhere
        """
        parameters: dict[str, Any] = {"principal": Principal, "role": RoleName}
        parameters |= {"audience": AtAudience, "everywhere": Everywhere}
        if (kind, verb) == ("client", "assign"):
            parameters["keep_credentials"] = KeepCredentials
        if verb == "unassign":
            parameters["yes"] = Yes
        add_command(app, verb, parameters, examples, change_assignment)

    add(
        "assign",
        Assignments.assign,
        "Assigned the role {role} to {principal}",
        f"Assign a role to a {kind}. Nothing changes if it is assigned already.",
    )
    add(
        "unassign",
        Assignments.unassign,
        "Removed the role {role} from {principal}",
        f"Remove a role from a {kind}, at the audience where it was assigned. Asks first.",
    )
    return app


def _assignment(role: str, audience: str | None, *, everywhere: bool) -> Assignment:
    """Wrong usage unless exactly one of both is set: no role applies everywhere by mistake."""
    if everywhere == (audience is not None):
        raise typer.BadParameter("give either --audience ID or --everywhere")
    return Assignment(role=role, audience=audience)
