"""The models of a user."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from pydantic import SecretStr, ValidationInfo, field_validator

from issuer.fields.fields import CustomClaims, Email, Fields, Label, Username, Version
from issuer.fields.ids import PrincipalId
from issuer.fields.text import with_counts
from issuer.fields.usernames import fold_username
from issuer.languages import LANGUAGES
from issuer.resources.resource_type import CLAIMS, DISABLED, NAME, Control, Member, ResourceType
from issuer.settings import Language


class UserFields(Fields):
    """The members of a user that an operator sets. Without `id`, one is generated.

    `email_verified`: the address is known to be that of the person.
    """

    id: Annotated[
        PrincipalId | None,
        Member(
            label="Id",
            help="The id, which is the sub of the user's tokens; generated if left out.",
            hint="The sub of the tokens; generated if left out. It cannot be changed.",
        ),
    ] = None
    username: Annotated[
        Username,
        Member(
            label="User name",
            help="The name to sign in with.",
            hint="To sign in with, such as alice",
        ),
    ]
    email: Annotated[
        Email | None,
        Member(
            label="Email", help="Email address; '' for none.", metavar="NAME@HOST", is_private=True
        ),
    ] = None
    email_verified: Annotated[
        bool,
        Member(
            label="The address is verified: it is known to be that of the person",
            help="Whether the address is known to be that of the person. A new one is not.",
            control=Control.SWITCH,
            option="--email-verified/--email-unverified",
        ),
    ] = False
    name: Annotated[Label, replace(NAME, is_private=True)] = ""
    language: Annotated[
        Language | None,
        Member(
            label="Language",
            help=f"Language of messages to the user: {', '.join(LANGUAGES)}. Default: the setting.",
            control=Control.CHOICE,
            values=LANGUAGES,
            metavar="TAG",
        ),
    ] = None
    claims: Annotated[
        CustomClaims,
        replace(CLAIMS, hint="A JSON object with claims of your own, for the tokens of the user"),
    ] = {}
    disabled: Annotated[bool, DISABLED] = False

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
    named_by="username",
    fold=fold_username,
    deleted_with=lambda work, user: with_counts(
        {"session": len(work.sessions.of_user(user.id)), **work.deleted_with_user(user.id)}
    ),
)


class PasswordFields(Fields):
    """A new password."""

    password: SecretStr
