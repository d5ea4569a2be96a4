"""What a form on the page of a user asks for; and to end what the user may do, or the user."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from starlette.responses import Response

from issuer.errors import AlreadyExists, InvalidField
from issuer.users import USER, User, UserFields
from issuer.web.console.screens.collection import ResourceAction, differing
from issuer.web.console.screens.form_fields import field_errors
from issuer.web.console.screens.views import Command, ConsolePage
from issuer.web.console.users.form import as_typed, edited_user, user_options

ENDS = "Every session ends, and every token is refused within seconds."


@dataclass(frozen=True)
class UserAction(ResourceAction):
    TYPE = USER
    user: User

    @property
    def key(self) -> str:
        return self.user.id

    @property
    def name(self) -> str:
        """What sentences call the user."""
        return self.user.username

    @property
    def warning(self) -> str:
        """For those who are about to end their own sessions."""
        is_self = self.user.id == self.operator.session.user_id
        return " This is you: you are signed out, too." if is_self else ""


def disable(action: UserAction) -> Response:
    body = {"disabled": True}
    command = action.command(("update", action.key, "--disabled"), "PATCH", body=body)
    if not action.is_confirmed:
        return action.ask(
            f"Disable {action.name}?",
            f"{action.name} cannot sign in any more. {ENDS} The user can be enabled again; the"
            f" revoked tokens stay revoked.{action.warning}",
            "Disable user",
            command,
        )
    with action.operator.work(USER.write) as work:
        work.users.update(action.key, body)
    done = f"{action.name} is disabled, and signed out everywhere."
    return action.finished(done, command)


def enable(action: UserAction) -> Response:
    body = {"disabled": False}
    with action.operator.work(USER.write) as work:
        work.users.update(action.key, body)
    command = action.command(("update", action.key, "--enabled"), "PATCH", body=body)
    return action.finished(f"{action.name} is enabled.", command)


def unlock(action: UserAction) -> Response:
    with action.operator.work(USER.write) as work:
        work.users.unlock(action.key)
    command = action.command(("unlock", action.key), "POST", "unlock")
    return action.finished(f"{action.name} can sign in at once.", command)


def end_all(action: UserAction) -> Response:
    """End all sessions, with all tokens: the domain has no way to end the first alone."""
    command = action.command(("revoke-tokens", action.key), "POST", "revoke-tokens")
    if not action.is_confirmed:
        return action.ask(
            f"Sign {action.name} out everywhere?",
            f"{ENDS} {action.name} can sign in again. This cannot be undone.{action.warning}",
            "Sign out everywhere",
            command,
        )
    with action.operator.work(USER.write) as work:
        work.users.revoke_tokens(action.key)
    return action.finished(f"{action.name} is signed out everywhere.", command)


def delete(action: UserAction) -> Response:
    command = action.deletion()
    if not action.has_typed(action.name):
        with_it = ", ".join(_deleted_with(action))
        return action.ask(
            f"Delete {action.name}?",
            f"{'Deleted with the user: ' if with_it else ''}{with_it}{'. ' if with_it else ''}"
            f"{ENDS} The id may be used again. This cannot be undone.{action.warning}",
            "Delete user",
            command,
            typed=action.name,
        )
    with action.operator.work(USER.write) as work:
        work.users.delete(action.key)
    return action.endpoint.finished("/console/users", f"{action.name} is deleted.", command)


def _deleted_with(action: UserAction) -> Iterator[str]:
    """ "2 assigned roles", "1 consent"."""
    key = action.key
    with action.operator.work(USER.read) as work:
        counts = {
            "assigned role": len(work.assignments.of(key)),
            "second factor": len(work.factors.of_user(key)),
            "consent": len(work.consents.of_user(key)),
        }
    for name, number in counts.items():
        if number:
            yield f"{number:,} {name}{'s' if number > 1 else ''}"


_BAD_REQUEST, _CONFLICT = 400, 409


@dataclass(frozen=True, kw_only=True)
class EditUserPage(ConsolePage):
    TEMPLATE = "console/edit_user.html"
    person: User

    @property
    def title(self) -> str:
        return f"Edit {self.person.username}"


def edit_user(action: UserAction) -> Response:
    return action.edit_form(_page(action), action.form)


def save_user(action: UserAction) -> Response:
    """Unless the user was changed since the form was shown."""
    form, user = action.form, action.user
    if form.get("version") != str(user.version):
        return _conflict(action)
    try:
        fields = edited_user(user, form)
        with action.operator.work(USER.write) as work:
            now = work.users.get(action.key)
            if now.version == user.version:
                work.users.replace(action.key, fields)
    except InvalidField as error:
        return action.edit_form(_page(action), form, field_errors(error), _BAD_REQUEST)
    except AlreadyExists as error:
        return action.edit_form(_page(action), form, {"username": str(error)}, _CONFLICT)
    if now.version != user.version:
        return _conflict(replace(action, user=now))
    return action.finished(f"The user {fields.username} is changed.", _command(action, fields))


def _conflict(action: UserAction) -> Response:
    """Both versions: what was typed, and beside it what the user is now."""
    now = as_typed(action.user)
    present = differing(now, action.form, now)
    return action.edit_form(_page(action), action.form, status=_CONFLICT, present=present)


def _page(action: UserAction) -> partial[EditUserPage]:
    return partial(EditUserPage, person=action.user)


def _command(action: UserAction, fields: UserFields) -> Command:
    patch = action.patch(action.user, fields)
    return action.command(("update", action.key, *user_options(patch)), "PATCH", body=patch)
