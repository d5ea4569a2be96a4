"""The schema of a manifest: the fields of all resources, and role assignments."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field

from issuer.audiences import AUDIENCE, AudienceFields
from issuer.clients import CLIENT, ClientFields
from issuer.fields.fields import Fields
from issuer.fields.urls import ClientId
from issuer.manifest.problems import shown
from issuer.resources import ResourceType
from issuer.roles import ROLE, Assignment, RoleFields
from issuer.trusted_issuers import TRUSTED_ISSUER, TrustedIssuerFields
from issuer.users import USER, UserFields

Assigned = Annotated[
    list[Assignment],
    Field(description="All its roles; without `audience`, at every audience."),
]


class ClientEntry(ClientFields):
    """A client. Its first secret is created with it, if it has secrets."""

    client_id: ClientId
    roles: Assigned = []


class UserEntry(UserFields):
    """A user. Without `id`, the user with that user name; passwords are set elsewhere."""

    roles: Assigned = []


class Entries(Fields):
    """A configuration. A missing section is not managed; an empty one declares no entries.

    A missing member has its default.
    """

    audiences: list[AudienceFields] = []
    trusted_issuers: list[TrustedIssuerFields] = []
    roles: list[RoleFields] = []
    clients: list[ClientEntry] = []
    users: list[UserEntry] = []


def schema(refs: str = "#/$defs/{model}") -> dict[str, Any]:
    """JSON Schema (2020-12) of a manifest; `refs` is the template of its references."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Entries.model_json_schema(ref_template=refs),
        "title": "Manifest of an issuer for AgentOS",
    }


Model = TypeVar("Model", bound=BaseModel)


def bare(model: type[Model], fields: Fields) -> Model:
    """`fields`, a stored resource or an entry, as a `model` without further members."""
    stored: dict[str, Any] = {name: getattr(fields, name) for name in model.model_fields}
    return model.model_construct(**stored)


def all_members(fields: Fields) -> dict[str, Any]:
    """Every member, with its value or its default."""
    return _in_order(fields.model_dump(mode="json"))


def members(fields: Fields) -> dict[str, Any]:
    """The members that are not at their default."""
    return _in_order(fields.model_dump(mode="json", exclude_defaults=True))


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names of members that differ, as JSON: 1, 1.0 and true are three values."""
    return [name for name in after if _canonical(before[name]) != _canonical(after[name])]


def in_order(assignments: Iterable[Assignment]) -> list[Assignment]:
    """By role, then audience, everywhere first; without repetitions."""
    return sorted(set(assignments), key=lambda each: (each.role, each.audience or ""))


def _in_order(dumped: dict[str, Any]) -> dict[str, Any]:
    for name in _SETS & dumped.keys():
        dumped[name] = sorted(set(dumped[name]))
    return dumped


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


class Kind(StrEnum):
    AUDIENCE = "audience"
    TRUSTED_ISSUER = "trusted issuer"
    ROLE = "role"
    CLIENT = "client"
    USER = "user"


TYPES: dict[Kind, ResourceType[Any, Any]] = {
    Kind(each.kind): each for each in (AUDIENCE, TRUSTED_ISSUER, ROLE, CLIENT, USER)
}
_SETS = {
    name
    for each in TYPES.values()
    for name, member in each.members.items()
    if member.control.is_set
}
SECTIONS = {kind: each.attribute for kind, each in TYPES.items()}


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource. A user is named by the user name, and has no id before creation."""

    kind: Kind
    id: str | None
    name: str

    def __str__(self) -> str:
        user_id = f" ({self.id})" if self.kind is Kind.USER and self.id else ""
        return f"{self.kind} {self.text}{user_id}"

    @property
    def text(self) -> str:
        """The name, safe for a terminal."""
        return shown(self.name)[1:-1]

    def as_json(self) -> dict[str, Any]:
        user = {"username": self.name} if self.kind is Kind.USER else {}
        return {"kind": self.kind.value, "id": self.id, **user}
