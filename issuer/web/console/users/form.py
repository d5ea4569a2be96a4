"""How people type a user."""

from collections.abc import Mapping
from typing import Any

from issuer.errors import InvalidField
from issuer.roles import Assignment
from issuer.users import USER, User, UserFields
from issuer.web.console.screens.resource_form import ResourceForm

VERIFIED = "yes"  # the value of the box for an address that is not verified


class UserForm(ResourceForm[UserFields, User]):
    def given(self, form: Mapping[str, str], resource: User | None) -> dict[str, Any]:
        """The box of a verified address has that address as its value: it counts for no other."""
        given = super().given(form, resource)
        values = {VERIFIED, given["email"]} - {None}
        return {**given, "email_verified": form.get("email_verified") in values}


FORM = UserForm(USER)


def new_assignments(form: Mapping[str, str]) -> list[Assignment]:
    """The roles of a new user, at one audience: everywhere is not what a form leaves empty."""
    roles, audience = form.get("roles", "").split(), form.get("audience", "").strip()
    if roles and not audience:
        raise InvalidField("audience", "Name the audience at which the roles are assigned.")
    return [Assignment(role=role, audience=audience) for role in dict.fromkeys(roles)]
