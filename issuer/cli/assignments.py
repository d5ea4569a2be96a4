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
from issuer.operations import About
from issuer.roles import Assignment, HeldRole
from issuer.roles.operations import RolesOf, sentence_of

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
    roles: RolesOf, example: str, find: Callable[[UnitOfWork, str], Any], complete: Complete
) -> CommandApp:
    """The commands for roles of clients, users or groups. `find` reads the argument."""
    kind = roles.owner.kind
    app = new_app(f"Assign roles to a {kind}, at one audience or everywhere.")
    text = f"The id of the {kind}." if kind == "client" else f"The id or the name of the {kind}."
    principal = Annotated[str, argument(kind.upper(), text, complete)]
    commands = AssignmentCommands(app, roles, example, find, principal)
    commands.add_list()
    commands.add_assign()
    commands.add_unassign()
    return app


@dataclass(frozen=True)
class AssignmentCommands:
    """Adds commands to `app` that take a `principal`, an argument, which `find` reads."""

    app: CommandApp
    roles: RolesOf
    example: str
    find: Callable[[UnitOfWork, str], Any]
    principal: Any

    def add_list(self) -> None:
        kind = self.roles.owner.kind
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
                held = work.assignments.roles_of(self._id(work, principal))
            output.show_all(held, columns, _in_words)

    def add_assign(self) -> None:
        kind = self.roles.owner.kind
        summary = f"Assign a role to a {kind}, or change when an assignment ends."

        @self._command("assign", summary, {**_ENDS, **KEEPS.get(kind, {})}, " --for 8h")
        def assign(
            principal: str,
            role: str,
            audience: str | None = None,
            everywhere: bool = False,
            expires_at: datetime | None = None,
            duration: datetime | None = None,
            reason: str = "",
            keep_credentials: list[str] | None = None,
            keep_members: list[str] | None = None,
        ) -> None:
            if expires_at is not None and duration is not None:
                raise typer.BadParameter("give either --expires-at TIME or --for DURATION")
            end = {"expires_at": expires_at or duration}
            assignment = _assignment(role, audience, everywhere=everywhere, **end)
            with changing(keep_credentials, keep_members) as work:
                work.assignments.assign(self._id(work, principal), assignment, reason)
            _say("assign", principal, assignment)

    def add_unassign(self) -> None:
        kind = self.roles.owner.kind
        summary = f"Remove a role from a {kind}, at the audience where it was assigned. Asks first."

        @self._command("unassign", summary, {"yes": Yes})
        def unassign(
            principal: str,
            role: str,
            audience: str | None = None,
            everywhere: bool = False,
            reason: str = "",
            yes: bool = False,
        ) -> None:
            assignment, owner_id = _assignment(role, audience, everywhere=everywhere), principal
            for confirmation in confirming(yes=yes):
                with confirmation, changing() as work:
                    owner = self.find(work, owner_id)
                    owner_id = self.roles.owner.key_of(owner)
                    about = About(owner_id, self.roles.owner.name_of(owner), role)
                    question = work.unassign(self.roles, about, assignment, reason)
                    confirmation.require_answer(question, of_scripts=True)
            _say("unassign", principal, assignment)

    def _command(
        self, verb: str, summary: str, more: dict[str, Any], more_options: str = ""
    ) -> Callable[[Callable[..., None]], Callable[..., None]]:
        example = f"issuer {self.roles.owner.kind} role {verb} {self.example} web-runner"
        return self.app.command(
            verb,
            parameters={"principal": self.principal, "role": RoleName, **_WHERE, **more},
            help=f"""{summary}

            Examples:

              {example} --audience my-os
              {example} --everywhere{more_options}
            """,
        )

    def _id(self, work: UnitOfWork, principal: str) -> str:
        return self.roles.owner.key_of(self.find(work, principal))


def _assignment(
    role: str, audience: str | None, *, everywhere: bool, **end: datetime | None
) -> Assignment:
    # Exactly one of both, so that no role applies everywhere by mistake.
    if everywhere == (audience is not None):
        raise typer.BadParameter("give either --audience ID or --everywhere")
    return Assignment.read({"role": role, "audience": audience, **end})


def _say(verb: str, principal: str, assignment: Assignment) -> None:
    output.say(
        sentence_of(verb, principal, assignment),
        {f"{verb}ed": assignment.model_dump(mode="json", exclude_unset=True)},
    )


def _in_words(held: HeldRole) -> dict[str, str]:
    return {"audience": held.where, "via": str(held.via or "")}
