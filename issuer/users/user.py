"""The models of a user."""

from datetime import datetime

from pydantic import SecretStr, ValidationInfo, field_validator

from issuer.fields.claims import CustomClaims
from issuer.fields.fields import Email, Fields, Label, Username, Version
from issuer.fields.ids import PrincipalId
from issuer.resources import ResourceType


class UserFields(Fields):
    """The members of a user that an operator sets. Without `id`, one is generated.

    `email_verified`: the address is known to be that of the person.
    """

    id: PrincipalId | None = None
    username: Username
    email: Email | None = None
    email_verified: bool = False
    name: Label = ""
    claims: CustomClaims = {}
    disabled: bool = False

    @field_validator("email_verified")
    @classmethod
    def _has_an_address(cls, email_verified: bool, info: ValidationInfo) -> bool:
        if email_verified and info.data.get("email") is None:
            raise ValueError("needs an email")
        return email_verified


class User(UserFields):
    """A stored user."""

    id: PrincipalId
    created_at: datetime
    updated_at: datetime
    version: Version


USER = ResourceType(
    "user",
    "users",
    key="id",
    fields=UserFields,
    model=User,
    private=frozenset({"claims", "email", "name"}),
)


class PasswordFields(Fields):
    """A new password."""

    password: SecretStr
