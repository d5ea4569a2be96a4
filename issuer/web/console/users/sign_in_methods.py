"""The answer in which the link of an invitation is shown, once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from starlette.responses import Response

from issuer.fields.text import escaped
from issuer.fields.times import in_seconds
from issuer.sign_in import InvitationFields, NewInvitation
from issuer.users import USER, User
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.views import Command, ConsolePage
from issuer.web.console.users.changes import ENDS, UserAction
from issuer.web.visit import Visit
from issuer.web.words import browser_name


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
    endpoint: ConsoleEndpoint, user: User, fields: InvitationFields | None = None
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
    return endpoint.commands.command(cli, "POST", path, body)


def invite(action: UserAction) -> Response:
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
        action.user,
        invitation,
        f"{action.name} is invited.",
        (invitation_command(action.endpoint, action.user, fields),),
    )


def withdraw_invitation(action: UserAction) -> Response:
    command = action.command(("invite", action.key, "--cancel"), "DELETE", "invitation")
    if not action.is_confirmed:
        return action.ask(
            f"Withdraw the invitation of {action.name}?",
            "The link stops working. You can invite again, with another link.",
            "Withdraw invitation",
            command,
        )
    with action.operator.work(USER.write) as work:
        work.invitations.delete(action.key)
    return action.finished(f"The link of {action.name} does not work any more.", command)


def remove_factor(action: UserAction) -> Response:
    key, factor_id = action.key, action.form.get("factor_id", "")
    command = action.command(("factor", "remove", key, factor_id), "DELETE", "factors", factor_id)
    if not action.is_confirmed:
        with action.operator.work(USER.read) as work:
            factor = work.factors.get(key, factor_id)
            is_last = len(work.factors.of_user(key)) == 1
            has_password = work.factors.methods_of(key)[key].has_password
        why = f"{ENDS}{action.warning} This cannot be undone."
        if is_last:
            why = f"It is the last second factor: the recovery codes end with it. {why}"
            why += f" {_afterwards(action, has_password=has_password)}"
        what = f"Remove “{escaped(factor.name)}” of {action.name}?"
        return action.ask(what, why, "Remove", command, {"factor_id": factor_id})
    with action.operator.work(USER.write) as work:
        work.factors.revoke(key, factor_id)
    return action.finished("It is removed.", command)


def reset_factors(action: UserAction) -> Response:
    key = action.key
    command = action.command(("factor", "reset", key), "DELETE", "factors")
    if not action.is_confirmed:
        with action.operator.work(USER.read) as work:
            names = ", ".join(f"“{escaped(each.name)}”" for each in work.factors.of_user(key))
            has_password = work.factors.methods_of(key)[key].has_password
        return action.ask(
            f"Remove all second factors of {action.name}?",
            f"{names or 'Nothing'} and the recovery codes are removed. {ENDS}{action.warning}"
            f" This cannot be undone. {_afterwards(action, has_password=has_password)}",
            "Remove all",
            command,
        )
    with action.operator.work(USER.write) as work:
        work.factors.reset(key)
    return action.finished(f"{action.name} has no second factor any more.", command)


def _afterwards(action: UserAction, *, has_password: bool) -> str:
    """How the user signs in without a second factor."""
    if not has_password:
        return f"There is no password: {action.name} can only sign in after another invitation."
    if action.endpoint.parts.settings.second_factor == "required":
        return f"{action.name} sets up another one at the next sign-in."
    return f"{action.name} signs in with the password alone."


def end_session(action: UserAction) -> Response:
    key, session_id = action.key, action.form.get("session_id", "")
    cli = ("session", "end", key, session_id)
    command = action.command(cli, "DELETE", "sessions", session_id)
    if not action.is_confirmed:
        with action.operator.work(USER.read) as work:
            session = work.sessions.get(key, session_id)
        is_own = session.id == action.operator.session.id
        where = browser_name(session.user_agent)
        return action.ask(
            f"Sign {action.name} out of {where}?",
            f"The session{f' from {session.address}' if session.address else ''} ends, and every"
            " token that applications got in it is refused within seconds. Other sessions go on."
            f"{' This is your own session.' if is_own else ''}",
            "Sign out",
            command,
            {"session_id": session_id},
        )
    with action.operator.work(USER.write) as work:
        work.sessions.end(key, session_id)
    return action.finished("The session is ended.", command)


def withdraw_consent(action: UserAction) -> Response:
    key, client_id = action.key, action.form.get("client_id", "")
    cli = ("consent", "withdraw", key, client_id)
    command = action.command(cli, "DELETE", "consents", client_id)
    if not action.is_confirmed:
        return action.ask(
            f"Withdraw what {action.name} allowed {client_id}?",
            f"At every audience. The tokens that {client_id} has for {action.name} are refused"
            f" within seconds, and it must ask {action.name} again.",
            "Withdraw",
            command,
            {"client_id": client_id},
        )
    with action.operator.work(USER.write) as work:
        work.consents.withdraw(key, client_id)
    return action.finished(f"{client_id} no longer acts for {action.name}.", command)
