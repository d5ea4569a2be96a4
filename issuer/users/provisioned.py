"""Users as a provisioning client has them (SCIM): with its id for each, and further attributes."""

import json
from typing import Annotated, Any

from pydantic import field_validator

from issuer.database.conditions import Attribute, Condition, RowQuery
from issuer.fields.fields import Label
from issuer.fields.text import is_storable
from issuer.resources.resource_type import Member, ResourceType
from issuer.users.user import User, UserFields
from issuer.users.users import UsersWith

_MAX_CHARACTERS = 16_384


class ProvisionedFields(UserFields):
    """The members of a user that a provisioning client sets.

    `external_id` is the id that the client has for the user. `scim` has the attributes that the
    client sent and no other member has, None if it never sent any.
    """

    external_id: Annotated[Label | None, Member(label="External id", help="Id elsewhere.")] = None
    scim: Annotated[
        dict[str, Any] | None,
        Member(label="Attributes", help="Further attributes.", is_private=True),
    ] = None

    @field_validator("scim")
    @classmethod
    def _is_bounded(cls, scim: dict[str, Any] | None) -> dict[str, Any] | None:
        text = json.dumps(scim, ensure_ascii=False)
        if len(text) > _MAX_CHARACTERS:
            raise ValueError(f"may have {_MAX_CHARACTERS} characters of JSON")
        if "\\u0000" in text or not is_storable(text):
            raise ValueError("may not hold NUL or unpaired surrogates")
        return scim


class ProvisionedUser(User, ProvisionedFields):
    """A stored user with them."""


PROVISIONED_USER = ResourceType(
    "user", "users", key="id", fields=ProvisionedFields, model=ProvisionedUser
)


class ProvisionedUsers(UsersWith[ProvisionedFields, ProvisionedUser]):
    """All users, whoever made them: the rules are those of `Users`."""

    resource_type = PROVISIONED_USER

    def provision(self, key: str, fields: ProvisionedFields) -> None:
        """Replace all fields, if that changes any: clients send the same again and again."""
        row = self._row_to_change(key)
        if (before := self._fields(row)) != fields:
            self._replace(row, before, fields)
        elif fields.disabled:
            row.disabled_by = None  # the client says so as well

    def attribute(self, *path: str | int) -> Attribute:
        """What conditions compare: a member, or a text in `scim`, by its path there."""
        return self._store.attribute(*path)

    def in_group(self, group_id: str) -> Condition:
        """Met by the users in that group."""
        return self._store.in_group(group_id)

    def matching(self, asked: RowQuery) -> tuple[list[ProvisionedUser], int]:
        """The users that are asked for, and how many meet the condition in all."""
        rows, number = self._store.matching(asked)
        return [self._model(row) for row in rows], number
