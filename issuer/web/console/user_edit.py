"""The form for a change of a user; conflicts are shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.responses import Response

from issuer.errors import AlreadyExists, InvalidField
from issuer.merge_patch import patch_between
from issuer.users import USER, User, UserFields
from issuer.web.console.conflicts import differing, meanwhile
from issuer.web.console.field_errors import field_errors
from issuer.web.console.user_action import UserAction
from issuer.web.console.user_form import as_typed, edited_user, user_options
from issuer.web.console.views import Command, ConsolePage, Typed

_BAD_REQUEST, _CONFLICT = 400, 409


@dataclass(frozen=True, kw_only=True)
class EditUserPage(ConsolePage):
    """`present` is what the user is now, where it was changed since the form was shown."""

    TEMPLATE = "console/edit_user.html"
    person: User
    present: Typed = field(default_factory=Typed)

    @property
    def title(self) -> str:
        return f"Edit {self.person.username}"


def edit_user_page(
    action: UserAction,
    values: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    status: int = 200,
    present: Mapping[str, str] | None = None,
) -> Response:
    page = EditUserPage(
        frame=action.endpoint.frame(action.operator, action.visit),
        person=action.user,
        values=Typed(values),
        errors=Typed(errors or {}),
        present=Typed(present or {}),
        error=meanwhile("user") if present is not None else "",
    )
    return action.endpoint.site.pages.answer(page, status)


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
        return edit_user_page(action, form, field_errors(error), _BAD_REQUEST)
    except AlreadyExists as error:
        return edit_user_page(action, form, {"username": str(error)}, _CONFLICT)
    if now.version != user.version:
        return _conflict(replace(action, user=now))
    return action.finished(f"The user {fields.username} is changed.", _command(action, fields))


def _conflict(action: UserAction) -> Response:
    """Both versions: what was typed, and beside it what the user is now."""
    now = as_typed(action.user)
    present = differing(now, action.form, now)
    return edit_user_page(action, action.form, status=_CONFLICT, present=present)


def _command(action: UserAction, fields: UserFields) -> Command:
    patch = patch_between(_members(action.user), _members(fields))
    return action.command(("update", action.key, *user_options(patch)), "PATCH", body=patch)


def _members(fields: UserFields) -> dict[str, Any]:
    return fields.model_dump(mode="json", include=set(UserFields.model_fields))
