"""`issuer client role`, `issuer user role`, `issuer group role`: the same three commands."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.command import CommandApp, Complete, argument, flag, new_app, option
from issuer.cli.confirming import Yes, confirming
from issuer.cli.opening import changing, reading
from issuer.cli.options import KEEPS, RoleName, instant, known_audiences
from issuer.composition import UnitOfWork
from issuer.fields.times import until
from issuer.roles import Assignment, Assignments, HeldRole

_WHERE = {
    "audience": Annotated[
        str | None, option("ID", "At this audience only.", complete=known_audiences)
    ],
    "everywhere": Annotated[bool, flag("--everywhere", "At every audience.")],
    "reason": Annotated[str, option("TEXT", "Why, for the audit log.")],
}
_ENDS = {
    "expires_at": Annotated[
        datetime | None,
        option(
            "TIME",
            "When it ends, such as 2027-06-30 (UTC). Default: never, also if it had an end.",
            parser=partial(instant, after=True),
        ),
    ],
    "duration": Annotated[
        datetime | None,
        option("DURATION", "How long, such as 8h.", "--for", parser=partial(instant, after=True)),
    ],
}


def assignment_commands(
    kind: str, example: str, find: Callable[[UnitOfWork, str], str], complete: Complete
) -> CommandApp:
    """The commands for the roles of a `kind` of principal. `find` returns the id."""
    app = new_app(f"Assign roles to a {kind}, at one audience or everywhere.")
    text = f"The id of the {kind}." if kind == "client" else f"The id or the name of the {kind}."
    principal = Annotated[str, argument(kind.upper(), text, complete)]
    commands = AssignmentCommands(app, kind, example, find, principal)
    commands.add_list()
    commands.add(
        "assign",
        Assignments.assign,
        "Assigned the role {role} to {principal}",
        f"Assign a role to a {kind}, or change when an assignment ends.",
        {**_ENDS, **KEEPS.get(kind, {})},
        " --for 8h",
    )
    commands.add(
        "unassign",
        Assignments.unassign,
        "Removed the role {role} from {principal}",
        f"Remove a role from a {kind}, at the audience where it was assigned. Asks first.",
        {"yes": Yes},
    )
    return app


@dataclass(frozen=True)
class AssignmentCommands:
    """Adds commands to `app` that take a `principal`, an argument, which `find` reads."""

    app: CommandApp
    kind: str
    example: str
    find: Callable[[UnitOfWork, str], str]
    principal: Any

    def add_list(self) -> None:
        kind = self.kind
        columns = ["role", "audience", "expires_at", *(["via"] if kind == "user" else [])]
        through = " `via` names the group that gives a role." if kind == "user" else ""

        @self.app.command(
            "list",
            parameters={"principal": self.principal},
            help=f"""List the roles of a {kind}, each with its audience.{through}

            Examples:

              issuer {kind} role list {self.example}
            """,
        )
        def list_assignments(principal: str) -> None:
            with reading() as work:
                held = work.assignments.roles_of(self.find(work, principal))
            output.show_all(held, columns, _in_words)

    def add(
        self,
        verb: str,
        change: Callable[[Assignments, str, Assignment, str], None],
        done: str,
        summary: str,
        more: dict[str, Any],
        more_options: str = "",
    ) -> None:
        example = f"issuer {self.kind} role {verb} {self.example} web-runner"

        @self.app.command(
            verb,
            parameters={"principal": self.principal, "role": RoleName, **_WHERE, **more},
            help=f"""{summary}

            Examples:

              {example} --audience my-os
              {example} --everywhere{more_options}
            """,
        )
        def change_assignment(
            principal: str,
            role: str,
            audience: str | None = None,
            everywhere: bool = False,
            expires_at: datetime | None = None,
            duration: datetime | None = None,
            reason: str = "",
            keep_credentials: list[str] | None = None,
            keep_members: list[str] | None = None,
            yes: bool = False,
        ) -> None:
            # Exactly one of both, so that no role applies everywhere by mistake.
            if everywhere == (audience is not None):
                raise typer.BadParameter("give either --audience ID or --everywhere")
            if expires_at is not None and duration is not None:
                raise typer.BadParameter("give either --expires-at TIME or --for DURATION")
            members: dict[str, object] = {"role": role, "audience": audience}
            if verb == "assign":
                members["expires_at"] = expires_at or duration
            assignment = Assignment.read(members)

            principal_id = principal
            for confirmation in confirming(yes=yes):
                with confirmation, changing(keep_credentials, keep_members) as work:
                    principal_id = self.find(work, principal_id)
                    change(work.assignments, principal_id, assignment, reason)
                    if verb == "unassign":
                        loss = f"unassign the role {role} from {principal}, {assignment.where}"
                        confirmation.require(loss)
            output.say(
                f"{done.format(role=role, principal=principal)}, {assignment.where}"
                f"{until(assignment.expires_at)}.",
                {f"{verb}ed": assignment.model_dump(mode="json", exclude_unset=True)},
            )


def _in_words(held: HeldRole) -> dict[str, str]:
    return {"audience": held.where, "via": str(held.via or "")}
