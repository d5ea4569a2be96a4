"""How a user signs in: invitations, second factors, sessions, consents; and to end each."""

from starlette.responses import Response

from issuer.fields.text import escaped
from issuer.sign_in import InvitationFields
from issuer.users import USER
from issuer.web.console.invitation_link import invitation_command, invitation_link
from issuer.web.console.user_action import ENDS, UserAction
from issuer.web.words import browser_name


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
