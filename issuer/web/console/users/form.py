"""The members of a user, as forms have them."""

from collections.abc import Mapping

from issuer.errors import InvalidField
from issuer.roles import Assignment
from issuer.users import User, UserFields
from issuer.web.console.screens.commands import as_options
from issuer.web.console.screens.form_fields import json_text, read_json

_TEXTS = ("username", "name", "email")
_OPTIONS = {
    "username": "--username",
    "email": "--email",
    "name": "--name",
    "claims": "--claims",
    "id": "--id",
}
_SWITCHES = {"email_verified": ("--email-verified", "--email-unverified")}
VERIFIED = "yes"  # the value of the box for an address that is not verified


def new_user(form: Mapping[str, str]) -> UserFields:
    """The user of the form for new ones; `InvalidField` if it cannot be one."""
    return UserFields.read({**_members(form), "id": form.get("id", "").strip() or None})


def new_assignments(form: Mapping[str, str]) -> list[Assignment]:
    """The roles of a new user, at one audience: everywhere is not what a form leaves empty."""
    roles, audience = form.get("roles", "").split(), form.get("audience", "").strip()
    if roles and not audience:
        raise InvalidField("audience", "Name the audience at which the roles are assigned.")
    return [Assignment(role=role, audience=audience) for role in dict.fromkeys(roles)]


def edited_user(user: User, form: Mapping[str, str]) -> UserFields:
    """The user as the form for a change says; `InvalidField` if it cannot be one."""
    claims = read_json("claims", form.get("claims", ""), {})
    kept = {"id": user.id, "disabled": user.disabled}
    return UserFields.read({**_members(form), "claims": claims, **kept})


def as_typed(user: User) -> dict[str, str]:
    """The fields of the form for a change, for the user as it is."""
    typed = {name: getattr(user, name) or "" for name in _TEXTS}
    typed |= {"email_verified": "yes"} if user.email_verified else {}
    return typed | {"claims": json_text(user.claims)}


def user_options(members: Mapping[str, object]) -> list[str]:
    """The options of `issuer user create` and `update` that give these members."""
    return as_options(members, _OPTIONS, _SWITCHES)


def _members(form: Mapping[str, str]) -> dict[str, object]:
    """The box of a verified address has that address as its value: it counts for no other."""
    typed: dict[str, object] = {name: form.get(name, "").strip() for name in _TEXTS}
    email = typed["email"] or None
    return typed | {
        "email": email,
        "email_verified": form.get("email_verified") in {VERIFIED, email} - {None},
    }
