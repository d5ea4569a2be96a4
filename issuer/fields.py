"""The syntax of ids, names, lifetimes and claims, as pydantic types.

All models are built from these, so that the admin API, the command line and a manifest refuse the
same values with the same messages.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)

from issuer import scopes
from issuer.errors import InvalidField
from issuer.merge_patch import merge_patch
from issuer.usernames import LONGEST, normalized_username
from issuer.vocabulary import (
    MAX_TOKEN,
    SHORTEST_TOKEN,
    AuthMethod,
    GrantType,
    SigningAlgorithm,
    UserRights,
)

T = TypeVar("T")

_PRINCIPAL_ID = re.compile(r"[A-Za-z0-9._~@+|:-]{1,128}")
_AUDIENCE_ID = re.compile(r"[A-Za-z0-9._~@+|:/-]{1,255}")
# agno uses these subjects for its own service accounts, MCP clients and scheduler.
_RESERVED_BY_AGENTOS = re.compile(r"sa:.*|__oauth__:.*|__scheduler__", re.IGNORECASE)
# Actors in the audit log that are neither users nor clients: the command line and the issuer.
_RESERVED_BY_ISSUER = re.compile(r"cli:.*|issuer:.*", re.IGNORECASE)

_DURATION = re.compile(r"(\d{1,9})([smhdw]?)", re.ASCII)
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MAX_DURATION = timedelta(days=3650)

MAX_SCOPES = 500


class Fields(BaseModel):
    """The members of a resource that an operator may set: strict types, no unknown members."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def read(cls, members: Mapping[str, object]) -> Self:
        """`members` checked; `InvalidField` names every member that is wrong."""
        try:
            return cls.model_validate(members)
        except RecursionError:
            raise InvalidField("body", "is nested too deeply") from None
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
        problems = [
            (".".join(str(part) for part in each["loc"]) or "body", in_words(each["msg"]))
            for each in found
        ]
        raise InvalidField(*problems[0], *problems[1:])

    def patched(self, patch: Mapping[str, object]) -> Self:
        """These fields after a merge patch (RFC 7396), checked as a whole."""
        # Otherwise a null for a misspelled name would look like a success.
        if unknown := [name for name in patch if name not in type(self).model_fields]:
            problems = [(name, "Extra inputs are not permitted") for name in unknown]
            raise InvalidField(*problems[0], *problems[1:])
        try:
            merged = merge_patch(self.model_dump(mode="json"), patch)
        except RecursionError:
            raise InvalidField("body", "is nested too deeply") from None
        return self.read(merged)


def in_words(message: str) -> str:
    """The message of pydantic, without its prefix for our own messages."""
    return message.removeprefix("Value error, ")


def fold_id(principal_id: str) -> str:
    """The form in which user and client ids are compared: unique across both, ignoring case."""
    return principal_id.lower()


def is_principal_id(text: str) -> bool:
    """Whether a user or a client can have this id."""
    return _PRINCIPAL_ID.fullmatch(text) is not None


def principal_id(text: str) -> str:
    if not is_principal_id(text):
        raise ValueError("must be 1 to 128 of ASCII letters, digits and . _ ~ @ + | : -")
    if _RESERVED_BY_AGENTOS.fullmatch(text):
        raise ValueError("is reserved by AgentOS (sa:…, __oauth__:…, __scheduler__)")
    if _RESERVED_BY_ISSUER.fullmatch(text):
        raise ValueError("is reserved for actors in the audit log (cli:…, issuer:…)")
    return _addressable(text)


def _role_name(text: str) -> str:
    if not is_principal_id(text):
        raise ValueError("must be 1 to 128 of ASCII letters, digits and . _ ~ @ + | : -")
    return _addressable(text)


def is_audience_id(text: str) -> bool:
    """Whether an audience can have this id or resource."""
    return _AUDIENCE_ID.fullmatch(text) is not None


def _audience_id(text: str) -> str:
    if not is_audience_id(text):
        raise ValueError("must be 1 to 255 of ASCII letters, digits and . _ ~ @ + | : - /")
    return _addressable(text)


def _addressable(text: str) -> str:
    if set(text.split("/")) & {".", ".."}:
        raise ValueError("may not be . or .. since no URL could name it")
    return text


def _printable(text: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise ValueError("may not hold control characters or line breaks")
    return text


def _email(text: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", text):
        raise ValueError("must look like name@host")
    return _printable(text)


def _scope(text: str) -> str:
    try:
        return scopes.parse(text).text
    except scopes.InvalidScope:
        raise ValueError(
            "must be resource:action, resource:id:action, resource:*:action or a name of your own,"
            " in at most three non-empty parts of RFC 6749 §3.3 characters;"
            " of the names issuer:… only the documented ones"
        ) from None


def without_repeats(items: list[T]) -> list[T]:
    return list(dict.fromkeys(items))


def duration(text: str, *, default_unit: str = "") -> timedelta:
    """A duration such as 900s, 15m, 24h, 30d or 2w; `ValueError` if malformed."""
    match = _DURATION.fullmatch(text.strip())
    unit = match and _UNITS.get(match[2] or default_unit)
    if not match or not unit:
        raise ValueError("must be a number with a unit, such as 900s, 15m, 24h or 30d")
    if int(match[1]) > _MAX_DURATION // unit:
        raise ValueError(f"must be at most {_MAX_DURATION.days}d")
    return int(match[1]) * unit


def lifetime(value: object) -> object:
    if isinstance(value, str):
        return duration(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(  # noqa: TRY004 - pydantic's way
            'must be a whole number of seconds, or text with a unit, such as "15m"'
        )
    return timedelta(seconds=max(-1, min(value, 10**9)))


def _within_bounds(lifetime: timedelta) -> timedelta:
    if not SHORTEST_TOKEN <= lifetime <= MAX_TOKEN:
        raise ValueError("must be 60 to 86400 seconds")
    return lifetime


def in_seconds(duration: timedelta) -> int:
    """Whole seconds, as in claims and JSON."""
    return int(duration.total_seconds())


def _instant(value: object) -> object:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is not a date that can be kept") from None


PrincipalId = Annotated[str, AfterValidator(principal_id)]
RoleName = Annotated[str, AfterValidator(_role_name)]
AudienceId = Annotated[str, AfterValidator(_audience_id)]
Username = Annotated[
    str, Field(min_length=1, max_length=LONGEST), AfterValidator(normalized_username)
]
Email = Annotated[str, Field(max_length=254), AfterValidator(_email)]
Label = Annotated[str, Field(max_length=255), AfterValidator(_printable)]
Scopes = Annotated[
    list[Annotated[str, AfterValidator(_scope)]],
    Field(max_length=MAX_SCOPES),
    AfterValidator(without_repeats),
]
Lifetime = Annotated[
    timedelta,
    BeforeValidator(lifetime),
    AfterValidator(_within_bounds),
    PlainSerializer(in_seconds, return_type=int),
    WithJsonSchema({"type": "integer", "minimum": 60, "maximum": 86400}, mode="serialization"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 60, "maximum": 86400},
                {"type": "string", "pattern": "^[0-9]{1,9}[smhdw]$"},
            ],
            "description": 'Seconds, or text with a unit, such as "15m".',
        },
        mode="validation",
    ),
]
# Strict pydantic wants members of an enumeration, which JSON does not have.
Algorithm = Annotated[SigningAlgorithm, Field(strict=False)]
GrantTypes = Annotated[
    list[Annotated[GrantType, Field(strict=False)]],
    Field(max_length=len(GrantType)),
    AfterValidator(without_repeats),
]
AuthenticationMethod = Annotated[AuthMethod, Field(strict=False)]
RightsOfUsers = Annotated[UserRights, Field(strict=False)]
Instant = Annotated[AwareDatetime, BeforeValidator(_instant), AfterValidator(_in_utc)]
Version = Annotated[int, Field(exclude=True)]  # for the ETag only
