"""The syntax of names, scopes and other members of resources, as pydantic types.

All models are built from these, so that the admin API, the command line and a manifest refuse the
same values with the same messages.
"""

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from issuer import scopes
from issuer.errors import InvalidField
from issuer.fields.json import merge_patch
from issuer.fields.text import did_you_mean
from issuer.fields.usernames import LONGEST, normalized_username
from issuer.vocabulary import (
    CLAIMS_OF_THE_TOKEN,
    CLAIMS_THAT_CHANGE_A_TOKEN,
    AuthMethod,
    GrantType,
    SigningAlgorithm,
    UserRights,
)

# Of addresses that messages can be sent to. Fewer than RFC 5322 §3.4.1 allows: programs on the way
# to the mailbox differ in how they read an address that needs quotes.
_ATOM = r"[^\W_]|[_!#$%&'*+/=?^`{|}~-]"
_LABEL = r"[^\W_](?:(?:[^\W_]|-){0,61}[^\W_])?"
_ADDRESS = rf"(?=.{{1,64}}@)(?:{_ATOM})+(?:\.(?:{_ATOM})+)*@(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*"
_MAX_EMAIL = 254
_SENDER = re.compile(r"(?P<name>[^<>\"\\]{1,100}) <(?P<address>[^<>\s]+)>")
T = TypeVar("T")
MAX_SCOPES = 500
_UNKNOWN = "Extra inputs are not permitted"
_MESSAGES = {
    _UNKNOWN: "is not a known member",
    "Field required": "is required",
    "Input should be a valid boolean": "must be true or false",
}


def can_receive_mail(address: str) -> bool:
    """Whether messages can be sent to the address (RFC 5321 §4.1.2, RFC 6531 §3.3)."""
    return (
        address.isprintable()
        and len(address.encode()) <= _MAX_EMAIL
        and re.fullmatch(_ADDRESS, address) is not None
    )


def read_sender(text: str) -> tuple[str, str]:
    """Name and address of `Name <address>` or of an address alone; `ValueError` otherwise."""
    found = _SENDER.fullmatch(text)
    name, address = (found["name"].strip(), found["address"]) if found else ("", text)
    if not can_receive_mail(address) or not name.isprintable():
        raise ValueError("must be an address, or a name and an address: Issuer <id@example.com>")
    return name, address


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
            (".".join(map(str, each["loc"])) or "body", cls._message(each["msg"], each["loc"]))
            for each in found
        ]
        raise InvalidField(*problems[0], *problems[1:])

    @classmethod
    def _message(cls, message: str, place: Sequence[str | int]) -> str:
        """In words; for an unknown member with a similar known one."""
        is_member = message == _UNKNOWN and len(place) == 1
        meant = did_you_mean(str(place[0]), cls.model_fields) if is_member else ""
        return in_words(message) + (meant and f".{meant}")

    def patched(self, patch: Mapping[str, object]) -> Self:
        """These fields after a merge patch (RFC 7396), checked as a whole."""
        # Otherwise a null for a misspelled name would look like a success.
        if unknown := [name for name in patch if name not in type(self).model_fields]:
            problems = [(name, self._message(_UNKNOWN, (name,))) for name in unknown]
            raise InvalidField(*problems[0], *problems[1:])
        try:
            merged = merge_patch(self.model_dump(mode="json"), patch)
        except RecursionError:
            raise InvalidField("body", "is nested too deeply") from None
        return self.read(merged)


def in_words(message: str) -> str:
    """The message of pydantic as our own messages are: what the value must be."""
    own = message.removeprefix("Value error, ")
    return next((text for start, text in _MESSAGES.items() if own.startswith(start)), own)


def _printable(text: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise ValueError("may not hold control characters or line breaks")
    return text


def is_email(text: str) -> bool:
    """Whether a user can have this address."""
    try:
        _email(text)
    except ValueError:
        return False
    return len(text) <= _MAX_EMAIL


def _email(text: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", text):
        raise ValueError("must look like name@host")
    return _printable(text)


def _scope(text: str) -> str:
    try:
        return scopes.parse(text).text
    except scopes.InvalidScope:
        if " " in text.strip():
            raise ValueError("must be one scope: give each by itself") from None
        raise ValueError(
            "must be resource:action, resource:id:action, resource:*:action or a name of your own,"
            " in at most three non-empty parts of RFC 6749 §3.3 characters;"
            " of the names issuer:… only the documented ones"
        ) from None


def without_repeats(items: list[T]) -> list[T]:
    return list(dict.fromkeys(items))


Username = Annotated[
    str, Field(min_length=1, max_length=LONGEST), AfterValidator(normalized_username)
]
Email = Annotated[str, Field(max_length=_MAX_EMAIL), AfterValidator(_email)]
Label = Annotated[str, Field(max_length=255), AfterValidator(_printable)]
Reason = Annotated[str, Field(max_length=500), AfterValidator(_printable)]
Scopes = Annotated[
    list[Annotated[str, AfterValidator(_scope)]],
    Field(max_length=MAX_SCOPES),
    AfterValidator(without_repeats),
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
Version = Annotated[int, Field(exclude=True)]  # for the ETag only


MAX_CLAIM_BYTES = 4096
_DEEPEST_CLAIM = 8
_NUL_OR_SURROGATE = re.compile("[\0\ud800-\udfff]")
_LARGEST_INTEGER = 2**53 - 1  # RFC 7493 §2.2: what every JSON reader keeps exact


def _custom_claims(claims: dict[str, Any]) -> dict[str, Any]:
    for name in claims:
        if name in CLAIMS_OF_THE_TOKEN | CLAIMS_THAT_CHANGE_A_TOKEN:
            raise ValueError(f"{name} is set by the issuer")
        if name.lower().startswith("agno_"):
            raise ValueError(f"{name}: AgentOS trusts claims that begin with agno_")
    require_portable(claims)
    if len(json.dumps(claims, separators=(",", ":"))) > MAX_CLAIM_BYTES:
        raise ValueError(f"may take at most {MAX_CLAIM_BYTES} bytes as JSON")
    return claims


def require_portable(value: object, depth: int = 0) -> None:
    """RFC 7493, and what both databases can store; `ValueError` otherwise."""
    if depth > _DEEPEST_CLAIM:
        raise ValueError(f"may be nested at most {_DEEPEST_CLAIM} deep")
    match value:
        case str():
            if _NUL_OR_SURROGATE.search(value):
                raise ValueError("may not hold NUL or unpaired surrogates")
        case int() if abs(value) > _LARGEST_INTEGER:
            raise ValueError("may not hold an integer beyond 2^53-1, which readers would round")
        case float() if not math.isfinite(value):
            raise ValueError("may not hold NaN or infinity")
        case Mapping():
            for part in chain.from_iterable(value.items()):
                require_portable(part, depth + 1)
        case Sequence():
            for member in value:
                require_portable(member, depth + 1)


CustomClaims = Annotated[dict[str, Any], AfterValidator(_custom_claims)]
