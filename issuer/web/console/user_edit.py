"""The form for a change of a user; conflicts are shown."""

from dataclasses import dataclass, replace
from functools import partial

from starlette.responses import Response

from issuer.errors import AlreadyExists, InvalidField
from issuer.users import USER, User, UserFields
from issuer.web.console.conflicts import differing
from issuer.web.console.field_errors import field_errors
from issuer.web.console.user_action import UserAction
from issuer.web.console.user_form import as_typed, edited_user, user_options
from issuer.web.console.views import Command, ConsolePage

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
