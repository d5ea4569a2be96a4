"""The schema of a manifest: the fields of all resources, and role assignments."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeAlias, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, Field, create_model, field_validator

from issuer.audiences import AUDIENCE, AudienceFields
from issuer.clients.client import CLIENT, ClientFields
from issuer.fields.fields import Fields, Username
from issuer.fields.times import has_ended
from issuer.fields.urls import ClientId
from issuer.groups import GROUP, MAX_MEMBERS, GroupFields
from issuer.manifest.problems import quote
from issuer.resources.resource_type import ResourceType, members_of
from issuer.roles import ROLE, Assignment, HeldRole, RoleFields
from issuer.scopes import live_scopes
from issuer.trusted_issuers import TRUSTED_ISSUER, TrustedIssuerFields
from issuer.trusted_issuers.sign_in import SignInFields
from issuer.users import USER, UserFields

MAX_ROLES = 10_000  # of a principal: more than any has, so that errors are bounded


def _once_each(assignments: list[Assignment]) -> list[Assignment]:
    ends = {each.place: each.expires_at for each in assignments}
    for each in assignments:
        if ends[each.place] != each.expires_at:
            raise ValueError(f"has the role {each.role} {each.where} with two ends")
    return assignments


Assigned = Annotated[
    list[Assignment],
    Field(max_length=MAX_ROLES),  # before the other one: items beyond it are not read
    AfterValidator(_once_each),
    Field(
        description="All its roles; without `audience`, at every audience. One that has ended"
        " counts as if it were not there."
    ),
]
AnyType: TypeAlias = ResourceType[Any, Any]
TYPES: dict[str, AnyType] = {
    each.kind: each for each in (AUDIENCE, TRUSTED_ISSUER, ROLE, CLIENT, USER, GROUP)
}
PRINCIPALS = (CLIENT, USER, GROUP)
# What is found by a name where it has no id, by the member that is its name.
NAMED_BY = {USER.kind: "username", GROUP.kind: "name"}
Model = TypeVar("Model", bound=BaseModel)
AssignmentT = TypeVar("AssignmentT", bound=Assignment)


def plain_types() -> list[AnyType]:
    """All but clients, users and groups, which have roles and ids of one space."""
    return [each for each in TYPES.values() if each not in PRINCIPALS]


class ClientEntry(ClientFields):
    """A client. Its first secret is created with it, if it has secrets."""

    client_id: ClientId
    roles: Assigned = []


class UserEntry(UserFields):
    """A user. Without `id`, the user with that user name; passwords are set elsewhere."""

    roles: Assigned = []


class GroupEntry(GroupFields):
    """A group. Without `id`, the group with that name.

    Without `members` its members stay as they are, and so does `external_id`: provisioning clients
    set both.
    """

    members: Annotated[
        list[Username] | None,
        Field(max_length=MAX_MEMBERS, description="All its members, by user name."),
    ] = None
    roles: Assigned = []


class TrustedIssuerEntry(TrustedIssuerFields):
    """A trusted issuer. The client secret of `sign_in` is set elsewhere, and stays as it is."""

    @field_validator("sign_in")
    @classmethod
    def _has_no_secret(cls, sign_in: SignInFields | None) -> SignInFields | None:
        if sign_in is not None and sign_in.client_secret is not None:
            raise ValueError(
                "may not have client_secret in a manifest: set it in the console, or by"
                " `issuer trusted-issuer update ID --sign-in-client-secret @FILE`"
            )
        return sign_in


class Entries(Fields):
    """A configuration. A missing section is not managed; an empty one declares no entries.

    A missing member has its default.
    """

    # Those with rules of their own; `entries_model` has a section for each of `TYPES`.
    audiences: list[AudienceFields] = []
    trusted_issuers: list[TrustedIssuerEntry] = []
    roles: list[RoleFields] = []
    clients: list[ClientEntry] = []
    users: list[UserEntry] = []
    groups: list[GroupEntry] = []


def entries_model() -> type[Entries]:
    more = {name: each for each in TYPES.values() if (name := each.attribute) not in _SECTIONS}
    if not more:
        return Entries
    sections: dict[str, Any] = {name: (list[each.fields], []) for name, each in more.items()}  # type: ignore[name-defined]
    return create_model("Entries", __base__=Entries, __doc__=Entries.__doc__, **sections)


_SECTIONS = frozenset(Entries.model_fields)


def without_expired(entries: Entries, now: datetime) -> Entries:
    """The entries as they count at `now`, so that a file is valid also after an end in it."""
    changed: dict[str, list[Fields]] = {}
    for name in (each.attribute for each in PRINCIPALS):
        changed[name] = [_without_expired(each, now) for each in getattr(entries, name)]
    return entries.model_copy(update=changed)


def _without_expired(entry: Any, now: datetime) -> Fields:
    roles = [each for each in entry.roles if not has_ended(each.expires_at, now)]
    left: dict[str, Any] = {"roles": roles}
    if isinstance(entry, ClientEntry):
        scopes, ends = live_scopes(entry.scopes, entry.scopes_expire_at, now)
        left |= {"scopes": scopes, "scopes_expire_at": ends}
    copy: Fields = entry.model_copy(update=left)
    return copy


def entry_model(section: str) -> type[Fields]:
    model: type[Fields] = get_args(entries_model().model_fields[section].annotation)[0]
    return model


def schema(refs: str = "#/$defs/{model}") -> dict[str, Any]:
    """JSON Schema (2020-12) of a manifest; `refs` is the template of its references."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **entries_model().model_json_schema(ref_template=refs),
        "title": "Manifest of an issuer for AgentOS",
    }


def bare(model: type[Model], fields: Fields) -> Model:
    """`fields`, a stored resource or an entry, as a `model` without further members."""
    stored: dict[str, Any] = {name: getattr(fields, name) for name in model.model_fields}
    return model.model_construct(**stored)


def all_members(fields: Fields) -> dict[str, Any]:
    """Every member, with its value or its default."""
    return _in_order(fields, fields.model_dump(mode="json"))


def members(fields: Fields) -> dict[str, Any]:
    """The members that are not at their default."""
    return _in_order(fields, fields.model_dump(mode="json", exclude_defaults=True))


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names of members that differ, as JSON: 1, 1.0 and true are three values."""
    return [name for name in after if _canonical(before[name]) != _canonical(after[name])]


def own_assignments(held: Iterable[HeldRole]) -> list[Assignment]:
    """The roles assigned to the principal itself, which a manifest declares."""
    own = [each for each in held if not each.via]
    return [Assignment(role=e.role, audience=e.audience, expires_at=e.expires_at) for e in own]


def in_order(assignments: Iterable[AssignmentT]) -> list[AssignmentT]:
    """By role, then audience, everywhere first; without repetitions."""
    return sorted(set(assignments), key=lambda each: (each.role, each.audience or "", str(each)))


def _in_order(fields: Fields, dumped: dict[str, Any]) -> dict[str, Any]:
    """With the lists sorted in which order and repetitions have no meaning."""
    for name, member in members_of(type(fields)).items():
        if member.control.is_set and name in dumped:
            unique = {_canonical(each): each for each in dumped[name]}
            in_text = sorted((e if isinstance(e, str) else key, key) for key, e in unique.items())
            dumped[name] = [unique[key] for _, key in in_text]
    return dumped


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource. Users and groups are named by their names, and have no id before creation."""

    kind: str
    id: str | None
    name: str

    def __str__(self) -> str:
        its_id = f" ({self.id})" if self.kind in NAMED_BY and self.id else ""
        return f"{self.kind} {self.text}{its_id}"

    @property
    def text(self) -> str:
        """The name, safe for a terminal."""
        return quote(self.name)[1:-1]

    def as_json(self) -> dict[str, Any]:
        named = {NAMED_BY[self.kind]: self.name} if self.kind in NAMED_BY else {}
        return {"kind": self.kind, "id": self.id, **named}
