"""The models of a user."""

from datetime import datetime

from pydantic import SecretStr

from issuer.custom_claims import CustomClaims
from issuer.fields import Email, Fields, Label, Username, Version
from issuer.id_fields import PrincipalId
from issuer.resources import ResourceType


class UserFields(Fields):
    """The members of a user that an operator sets. Without `id`, one is generated."""

    id: PrincipalId | None = None
    username: Username
    email: Email | None = None
    name: Label = ""
    claims: CustomClaims = {}
    disabled: bool = False


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
