"""Invitations of a user."""

from collections.abc import Sequence

from starlette.responses import Response

from issuer.fields.times import in_seconds
from issuer.sign_in import InvitationFields, NewInvitation
from issuer.users import USER, User
from issuer.users.operations import SIGNS_YOU_OUT
from issuer.web.console.screens.commands import Commands
from issuer.web.console.screens.resource import ResourceScreen
from issuer.web.console.screens.screen import ConsoleScreen
from issuer.web.console.screens.views import Command


def invitation_link(
    screen: ConsoleScreen,
    user: User,
    invitation: NewInvitation,
    done: str,
    commands: Sequence[Command],
) -> Response:
    """The answer in which the link of an invitation is shown, once, or where it was sent.

    It is a secret: whoever opens it first becomes the user.
    """
    return screen.answer(
        "invitation_link",
        done,
        commands=commands,
        person=user,
        url=invitation.url,
        is_scripted=not invitation.sent_to,
        sent_to=invitation.sent_to,
        expires_at=invitation.expires_at,
        replaces=invitation.replaces,
    )


def invitation_command(
    commands: Commands, user: User, fields: InvitationFields | None = None
) -> Command:
    """The command and the request that make such a link; by default for three days."""
    options: list[str] = []
    body: dict[str, object] = {}
    if fields is not None:
        body = {"lifetime": in_seconds(fields.lifetime)}
        options = ["--lifetime", f"{in_seconds(fields.lifetime)}s"]
        if fields.by_email:
            body, options = {**body, "by_email": True}, [*options, "--by-email"]
    cli, path = ("user", "invite", user.id, *options), ("users", user.id, "invitation")
    return commands.command(cli, "POST", path, body)


def warning(screen: ResourceScreen) -> str:
    """A sentence for users who are about to end their own sessions; empty for others."""
    is_self = screen.key == screen.operator.session.user_id
    return SIGNS_YOU_OUT if is_self else ""


def invite(screen: ResourceScreen) -> Response:
    """`InvalidField` for `lifetime`."""
    lifetime = screen.form.get("lifetime", "").strip()
    given: dict[str, object] = {"lifetime": lifetime} if lifetime else {}
    fields = InvitationFields.read({**given, "by_email": "by_email" in screen.form})
    with screen.operator.work_once(USER.write) as work:
        invitation = work.invitations.create(screen.key, fields)
    command = invitation_command(screen.commands, screen.resource, fields)
    done = f"{screen.name} is invited."
    return invitation_link(screen, screen.resource, invitation, done, (command,))


def withdraw_invitation(screen: ResourceScreen) -> Response:
    return screen.confirmed(
        (
            f"Withdraw the invitation of {screen.name}?",
            "The link stops working. You can invite again, with another link.",
            "Withdraw invitation",
        ),
        screen.command(("invite", screen.key, "--cancel"), "DELETE", "invitation"),
        lambda work: work.invitations.delete(screen.key),
        f"The link of {screen.name} does not work any more.",
    )
