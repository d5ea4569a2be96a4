"""How a user signs in: invitations, second factors, sessions, consents; and to end each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.fields.text import escaped
from issuer.fields.times import in_seconds
from issuer.sign_in import InvitationFields, NewInvitation
from issuer.users import USER, User
from issuer.web.console.screens.action import ConfirmationText, ResourceAction
from issuer.web.console.screens.commands import Commands
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.views import Command, ConsolePage
from issuer.web.visit import Visit
from issuer.web.words import browser_name

ENDS = "Every session ends, and every token is refused within seconds."


@dataclass(frozen=True, kw_only=True)
class InvitationLinkPage(ConsolePage):
    """`url` is a secret: whoever opens it first becomes the user."""

    TEMPLATE = "console/invitation_link.html"
    person: User
    done: str
    url: str = field(repr=False)
    expires_at: datetime

    @property
    def title(self) -> str:
        return self.done


def invitation_link(
    endpoint: ConsoleEndpoint,
    operator: Operator,
    visit: Visit,
    user: User,
    invitation: NewInvitation,
    done: str,
    commands: Sequence[Command],
) -> Response:
    """The answer in which the link of an invitation is shown, once."""
    page = InvitationLinkPage(
        frame=endpoint.frame(operator, visit),
        commands=commands,
        person=user,
        done=done,
        url=invitation.url,
        expires_at=invitation.expires_at,
    )
    return endpoint.site.pages.answer(page)


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


def warning(action: ResourceAction) -> str:
    """A sentence for users who are about to end their own sessions; empty for others."""
    is_self = action.key == action.operator.session.user_id
    return " This is you: you are signed out, too." if is_self else ""


def invite(action: ResourceAction) -> Response:
    """`InvalidField` for `lifetime`."""
    lifetime = action.form.get("lifetime", "").strip()
    given: dict[str, object] = {"lifetime": lifetime} if lifetime else {}
    fields = InvitationFields.read({**given, "by_email": "by_email" in action.form})
    with action.operator.work_once(USER.write) as work:
        invitation = work.invitations.create(action.key, fields)
    return invitation_link(
        action.endpoint,
        action.operator,
        action.visit,
        action.resource,
        invitation,
        f"{action.name} is invited.",
        (invitation_command(action.endpoint.commands, action.resource, fields),),
    )


def withdraw_invitation(action: ResourceAction) -> Response:
    return action.confirmed(
        ConfirmationText(
            f"Withdraw the invitation of {action.name}?",
            "The link stops working. You can invite again, with another link.",
            "Withdraw invitation",
        ),
        action.command(("invite", action.key, "--cancel"), "DELETE", "invitation"),
        lambda work: work.invitations.delete(action.key),
        f"The link of {action.name} does not work any more.",
    )


def remove_factor(action: ResourceAction) -> Response:
    key, factor_id = action.key, action.form.get("factor_id", "")

    def question(work: UnitOfWork) -> ConfirmationText:
        factor = work.factors.get(key, factor_id)
        why = f"{ENDS}{warning(action)} This cannot be undone."
        if len(work.factors.of_user(key)) == 1:
            why = f"It is the last second factor: the recovery codes end with it. {why}"
            why += f" {_afterwards(action, work)}"
        return ConfirmationText(f"Remove “{escaped(factor.name)}” of {action.name}?", why, "Remove")

    return action.confirmed(
        question,
        action.command(("factor", "remove", key, factor_id), "DELETE", "factors", factor_id),
        lambda work: work.factors.revoke(key, factor_id),
        "It is removed.",
        {"factor_id": factor_id},
    )


def reset_factors(action: ResourceAction) -> Response:
    key = action.key

    def question(work: UnitOfWork) -> ConfirmationText:
        names = ", ".join(f"“{escaped(each.name)}”" for each in work.factors.of_user(key))
        return ConfirmationText(
            f"Remove all second factors of {action.name}?",
            f"{names or 'Nothing'} and the recovery codes are removed. {ENDS}{warning(action)}"
            f" This cannot be undone. {_afterwards(action, work)}",
            "Remove all",
        )

    return action.confirmed(
        question,
        action.command(("factor", "reset", key), "DELETE", "factors"),
        lambda work: work.factors.reset(key),
        f"{action.name} has no second factor any more.",
    )


def _afterwards(action: ResourceAction, work: UnitOfWork) -> str:
    """How the user signs in without a second factor."""
    if not work.factors.methods_of(action.key)[action.key].has_password:
        return f"There is no password: {action.name} can only sign in after another invitation."
    if action.endpoint.parts.settings.second_factor == "required":
        return f"{action.name} sets up another one at the next sign-in."
    return f"{action.name} signs in with the password alone."


def end_session(action: ResourceAction) -> Response:
    key, session_id = action.key, action.form.get("session_id", "")

    def question(work: UnitOfWork) -> ConfirmationText:
        session = work.sessions.get(key, session_id)
        is_own = session.id == action.operator.session.id
        return ConfirmationText(
            f"Sign {action.name} out of {browser_name(session.user_agent)}?",
            f"The session{f' from {session.address}' if session.address else ''} ends, and every"
            " token that applications got in it is refused within seconds. Other sessions go on."
            f"{' This is your own session.' if is_own else ''}",
            "Sign out",
        )

    return action.confirmed(
        question,
        action.command(("session", "end", key, session_id), "DELETE", "sessions", session_id),
        lambda work: work.sessions.end(key, session_id),
        "The session is ended.",
        {"session_id": session_id},
    )


def withdraw_consent(action: ResourceAction) -> Response:
    key, client_id = action.key, action.form.get("client_id", "")
    return action.confirmed(
        ConfirmationText(
            f"Withdraw what {action.name} allowed {client_id}?",
            f"At every audience. The tokens that {client_id} has for {action.name} are refused"
            f" within seconds, and it must ask {action.name} again.",
            "Withdraw",
        ),
        action.command(("consent", "withdraw", key, client_id), "DELETE", "consents", client_id),
        lambda work: work.consents.withdraw(key, client_id),
        f"{client_id} no longer acts for {action.name}.",
        {"client_id": client_id},
    )
