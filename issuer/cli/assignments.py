"""`issuer client role`, `issuer user role`, `issuer group role`: the same three commands."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.command import CommandApp, Complete, argument, flag, new_app, option
from issuer.cli.confirming import Yes, confirming
from issuer.cli.opening import changing, reading
from issuer.cli.options import KeepCredentials, RoleName, known_audiences
from issuer.composition import UnitOfWork
from issuer.roles import Assignment, Assignments, HeldRole

_WHERE = {
    "audience": Annotated[
        str | None, option("ID", "At this audience only.", complete=known_audiences)
    ],
    "everywhere": Annotated[bool, flag("--everywhere", "At every audience.")],
}


def assignment_commands(
    kind: str, example: str, find: Callable[[UnitOfWork, str], str], complete: Complete
) -> CommandApp:
    """The commands for the roles of a `kind` of principal. `find` returns the id."""
    app = new_app(f"Assign roles to a {kind}, at one audience or everywhere.")
    text = f"The id of the {kind}." if kind == "client" else f"The id or the name of the {kind}."
    columns = ["role", "audience", *(["via"] if kind == "user" else [])]
    through = " `via` names the group that gives a role." if kind == "user" else ""
    principal_argument = Annotated[str, argument(kind.upper(), text, complete)]

    @app.command(
        "list",
        parameters={"principal": principal_argument},
        help=f"""List the roles of a {kind}, each with its audience.{through}

        Examples:

          issuer {kind} role list {example}
        """,
    )
    def list_assignments(principal: str) -> None:
        with reading() as work:
            held = work.assignments.held_by(find(work, principal))
        output.show_all(held, columns, _in_words)

    def add(
        verb: str,
        change: Callable[[Assignments, str, Assignment], None],
        done: str,
        summary: str,
        more: dict[str, Any],
    ) -> None:
        @app.command(
            verb,
            parameters={"principal": principal_argument, "role": RoleName, **_WHERE, **more},
            help=f"""{summary}

            Examples:

              issuer {kind} role {verb} {example} web-runner --audience my-os
              issuer {kind} role {verb} {example} web-runner --everywhere
            """,
        )
        def change_assignment(
            principal: str,
            role: str,
            audience: str | None = None,
            everywhere: bool = False,
            keep_credentials: list[str] | None = None,
            yes: bool = False,
        ) -> None:
            # Exactly one of both, so that no role applies everywhere by mistake.
            if everywhere == (audience is not None):
                raise typer.BadParameter("give either --audience ID or --everywhere")
            assignment = Assignment(role=role, audience=audience)

            for confirmation in confirming(yes=yes):
                with confirmation, changing(keep_credentials) as work:
                    change(work.assignments, find(work, principal), assignment)
                    if verb == "unassign":
                        loss = f"unassign the role {role} from {principal}, {assignment.where}"
                        confirmation.require(loss)
            output.say(
                f"{done.format(role=role, principal=principal)}, {assignment.where}.",
                {f"{verb}ed": assignment.model_dump()},
            )

    add(
        "assign",
        Assignments.assign,
        "Assigned the role {role} to {principal}",
        f"Assign a role to a {kind}. Nothing changes if it is assigned already.",
        {"keep_credentials": KeepCredentials} if kind == "client" else {},
    )
    add(
        "unassign",
        Assignments.unassign,
        "Removed the role {role} from {principal}",
        f"Remove a role from a {kind}, at the audience where it was assigned. Asks first.",
        {"yes": Yes},
    )
    return app


def _in_words(held: HeldRole) -> dict[str, str]:
    return {"audience": held.where, "via": str(held.via or "")}
