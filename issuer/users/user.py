"""The models of a user."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, SecretStr, ValidationInfo, field_validator

from issuer.fields.fields import CustomClaims, Email, Fields, Label, Username, Version
from issuer.fields.ids import PrincipalId
from issuer.fields.text import with_counts
from issuer.fields.usernames import fold_username
from issuer.languages import LANGUAGES
from issuer.resources.resource_type import (
    CLAIMS,
    DISABLED,
    NAME,
    Control,
    ListedMembers,
    Member,
    ResourceType,
)
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


class ListedUser(User):
    """A user in a list: with its states, the names of its roles, also through groups, and when it
    last signed in, as far as that is known.
    """

    states: list[str] = []
    roles: list[str] = []
    last_sign_in_at: datetime | None = None


class NoticedBy(BaseModel):
    """How this issuer would notice that a user left: by SCIM, or what a trusted issuer sends.

    `last` is the day of the last signal of that kind from this trusted issuer.
    """

    way: str
    trusted_issuer: str | None = None
    last: str | None = None

    @property
    def in_words(self) -> str:
        if self.trusted_issuer is None:
            return "SCIM"
        return f"{self.way.replace('-', ' ')} of {self.trusted_issuer}, last on {self.last}"


class _Methods(Protocol):
    @property
    def can_sign_in(self) -> bool: ...
    @property
    def invited_until(self) -> datetime | None: ...


def user_states(
    user: User, methods: _Methods, locked_until: datetime | None = None
) -> tuple[str, ...]:
    """All states that apply: a user can be locked and invited at once."""
    first = "disabled" if user.disabled else "active" if methods.can_sign_in else ""
    locked = "locked" if locked_until else ""
    invited = "invited" if methods.invited_until and not user.disabled else ""
    return tuple(filter(None, (first, locked, invited))) or ("cannot sign in",)


def sign_in_of_each(work: Any, users: Sequence[User]) -> dict[str, tuple[Any, tuple[str, ...]]]:
    """By id, how each can sign in (`SignInMethods`), and its states; not of deleted ones."""
    methods = work.factors.methods_of(*(user.id for user in users))
    attempts = work.users.attempts_of_each(methods)
    found = {}
    for user in users:
        if how := methods.get(user.id):
            locked_until = work.attempts.state_by(attempts[user.id]).locked_until
            found[user.id] = how, user_states(user, how, locked_until)
    return found


def _in_list(work: Any, users: Sequence[User]) -> Iterator[dict[str, object]]:
    roles = work.assignments.role_names_of_all([user.id for user in users])
    sign_in = sign_in_of_each(work, users)
    for user in users:
        members: dict[str, object] = {"roles": roles[user.id]}
        if user.id in sign_in:
            how, states = sign_in[user.id]
            members |= {"states": [*states], "last_sign_in_at": how.last_sign_in_at}
        yield members


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
    listing=ListedMembers(ListedUser, _in_list),
)


class PasswordFields(Fields):
    """A new password."""

    password: SecretStr
