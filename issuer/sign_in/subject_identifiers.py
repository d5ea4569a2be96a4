"""Subject identifiers (RFC 9493): how signals of trusted issuers name people and their sessions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from issuer.errors import IssuerError
from issuer.fields.fields import is_email
from issuer.sign_in.provider_claims import is_subject

_ALL_SESSIONS = "ALL"  # of the user, as Keycloak 26.7 names them


class InvalidSubject(IssuerError):
    """It breaks a rule of its format."""


class SubjectElsewhere(InvalidSubject):
    """It names somebody at another issuer than the one that sent it."""


@dataclass(frozen=True, slots=True)
class AccountThere:
    """An account at a trusted issuer, by its `sub` or its address; or a session of it there."""

    subject: str | None = None
    email: str | None = field(default=None, repr=False)
    session: str | None = None


def account_of(subject: object, issuer: str) -> AccountThere:
    """Whom an identifier of this issuer names: nobody in formats that are not known here.

    `InvalidSubject`, also for a session that is not known by an id (SSF 1.0 §3).
    """
    if not isinstance(subject, Mapping):
        raise InvalidSubject("the subject is not an object")
    # Google has the member and the values of a draft.
    written = subject.get("format", subject.get("subject_type"))
    match str(written).replace("-", "_"):
        case "iss_sub":
            if subject.get("iss") != issuer:
                raise SubjectElsewhere("iss of the subject is another issuer")
            return AccountThere(_id_in(subject, "sub"))
        case "opaque":
            return AccountThere(_id_in(subject, "id"))
        case "email":
            if not isinstance(email := subject.get("email"), str) or not is_email(email):
                raise InvalidSubject("email of the subject is no address")
            return AccountThere(email=email)
        case "complex":
            return _of_members(subject, issuer)
    return AccountThere()


def _of_members(subject: Mapping[str, Any], issuer: str) -> AccountThere:
    """A user, a session of theirs, or both. Other members, such as a tenant, say nothing here."""
    user = account_of(subject["user"], issuer) if "user" in subject else AccountThere()
    if "session" not in subject:
        return user
    # One that cannot be found must not become all sessions of the user.
    if (session := account_of(subject["session"], issuer).subject) is None:
        raise InvalidSubject("the session of the subject has no id")
    if session == _ALL_SESSIONS and "user" in subject:
        return user
    return AccountThere(user.subject, user.email, session)


def _id_in(subject: Mapping[str, Any], name: str) -> str:
    value = subject.get(name)
    if not isinstance(value, str) or not is_subject(value):
        raise InvalidSubject(f"{name} of the subject is not a text of 1 to 255 ASCII characters")
    return value
