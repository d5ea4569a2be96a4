"""How a user signs in: invitations, second factors, sessions, consents; and to end each."""

from collections.abc import Sequence

from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.fields.text import escaped
from issuer.fields.times import in_seconds
from issuer.languages.browsers import browser_name
from issuer.sign_in import InvitationFields, NewInvitation
from issuer.sign_in.identities import IdentityFields
from issuer.users import USER, User
from issuer.web.console.screens.action import Confirmation
from issuer.web.console.screens.commands import Commands
from issuer.web.console.screens.resource import ResourceScreen
from issuer.web.console.screens.screen import ConsoleScreen
from issuer.web.console.screens.views import Command

ENDS = "Every session ends, and every token is refused within seconds."


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
    return " This is you: you are signed out, too." if is_self else ""


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


def remove_factor(screen: ResourceScreen) -> Response:
    key, factor_id = screen.key, screen.form.get("factor_id", "")

    def question(work: UnitOfWork) -> Confirmation:
        factor = work.factors.get(key, factor_id)
        why = f"{ENDS}{warning(screen)} This cannot be undone."
        if len(work.factors.of_user(key)) == 1:
            why = f"It is the last second factor: the recovery codes end with it. {why}"
            why += f" {_afterwards(screen, work)}"
        return f"Remove “{escaped(factor.name)}” of {screen.name}?", why, "Remove"

    return screen.confirmed(
        question,
        screen.command(("factor", "remove", key, factor_id), "DELETE", "factors", factor_id),
        lambda work: work.factors.revoke(key, factor_id),
        "It is removed.",
        {"factor_id": factor_id},
    )


def reset_factors(screen: ResourceScreen) -> Response:
    key = screen.key

    def question(work: UnitOfWork) -> Confirmation:
        names = ", ".join(f"“{escaped(each.name)}”" for each in work.factors.of_user(key))
        return (
            f"Remove all second factors of {screen.name}?",
            f"{names or 'Nothing'} and the recovery codes are removed. {ENDS}{warning(screen)}"
            f" This cannot be undone. {_afterwards(screen, work)}",
            "Remove all",
        )

    return screen.confirmed(
        question,
        screen.command(("factor", "reset", key), "DELETE", "factors"),
        lambda work: work.factors.reset(key),
        f"{screen.name} has no second factor any more.",
    )


def _afterwards(screen: ResourceScreen, work: UnitOfWork) -> str:
    """How the user signs in without a second factor."""
    if not work.factors.methods_of(screen.key)[screen.key].has_password:
        return f"There is no password: {screen.name} can only sign in after another invitation."
    if screen.parts.settings.second_factor == "required":
        return f"{screen.name} sets up another one at the next sign-in."
    return f"{screen.name} signs in with the password alone."


def link(screen: ResourceScreen) -> Response:
    """`InvalidField` for `subject`."""
    typed = {name: screen.form.get(name, "").strip() for name in ("issuer", "subject")}
    fields = IdentityFields.read(typed)
    key = screen.key
    cli = ("identity", "add", key, "--issuer", fields.issuer, "--subject", fields.subject)
    return screen.done(
        lambda work: work.identities.link(
            key, fields.issuer, fields.subject, fields.name, work.authority.grantor
        ),
        f"{screen.name} can sign in with this account of {fields.issuer}.",
        screen.command(cli, "POST", "identities", body=typed),
    )


def unlink(screen: ResourceScreen) -> Response:
    key, identity_id = screen.key, screen.form.get("identity_id", "")

    def question(work: UnitOfWork) -> Confirmation:
        identity = work.identities.get(key, identity_id)
        why = (
            f"{screen.name} cannot sign in with it any more. Sessions that began there end, and"
            " access tokens are refused within seconds."
        )
        if len(work.identities.of_user(key)) == 1 and not _has_another_way(work, key):
            why += f" It is the only way to sign in: {screen.name} needs an invitation then."
        return (
            f"Unlink the account {escaped(identity.subject)} of {identity.issuer}?",
            why,
            "Unlink",
        )

    return screen.confirmed(
        question,
        screen.command(
            ("identity", "remove", key, identity_id), "DELETE", "identities", identity_id
        ),
        lambda work: work.identities.unlink(key, identity_id),
        "It is unlinked.",
        {"identity_id": identity_id},
    )


def _has_another_way(work: UnitOfWork, key: str) -> bool:
    means = work.factors.methods_of(key)[key]
    return means.has_password or means.has_passkey


def end_session(screen: ResourceScreen) -> Response:
    key, session_id = screen.key, screen.form.get("session_id", "")

    def question(work: UnitOfWork) -> Confirmation:
        session = work.sessions.get(key, session_id)
        is_own = session.id == screen.operator.session.id
        return (
            f"Sign {screen.name} out of {browser_name(session.user_agent)}?",
            f"The session{f' from {session.address}' if session.address else ''} ends, and every"
            " token that applications got in it is refused within seconds. Other sessions go on."
            f"{' This is your own session.' if is_own else ''}",
            "Sign out",
        )

    return screen.confirmed(
        question,
        screen.command(("session", "end", key, session_id), "DELETE", "sessions", session_id),
        lambda work: work.sessions.end(key, session_id),
        "The session is ended.",
        {"session_id": session_id},
    )


def withdraw_consent(screen: ResourceScreen) -> Response:
    key, client_id = screen.key, screen.form.get("client_id", "")
    return screen.confirmed(
        (
            f"Withdraw what {screen.name} allowed {client_id}?",
            f"At every audience. The tokens that {client_id} has for {screen.name} are refused"
            f" within seconds, and it must ask {screen.name} again.",
            "Withdraw",
        ),
        screen.command(("consent", "withdraw", key, client_id), "DELETE", "consents", client_id),
        lambda work: work.consents.withdraw(key, client_id),
        f"{client_id} no longer acts for {screen.name}.",
        {"client_id": client_id},
    )


def end_delegation(screen: ResourceScreen) -> Response:
    key, client_id = screen.key, screen.form.get("client_id", "")
    return screen.confirmed(
        (
            f"Stop {client_id} from acting for {screen.name}?",
            f"The tokens that it got in exchange for those of {screen.name} are refused within"
            " seconds, and so is what others got for them. Where consent is needed,"
            f" {screen.name} is asked again; elsewhere it may begin again.",
            "Stop",
        ),
        screen.command(("delegation", "end", key, client_id), "DELETE", "delegations", client_id),
        lambda work: work.delegations.end(key, client_id),
        f"{client_id} no longer acts for {screen.name}.",
        {"client_id": client_id},
    )
