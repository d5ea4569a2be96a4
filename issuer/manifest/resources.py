"""The resources of a manifest and their names."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from issuer.audiences import AUDIENCE
from issuer.clients import CLIENT
from issuer.manifest.problems import shown
from issuer.resources import ResourceType
from issuer.roles import ROLE
from issuer.trusted_issuers import TRUSTED_ISSUER
from issuer.users import USER


class Kind(StrEnum):
    AUDIENCE = "audience"
    TRUSTED_ISSUER = "trusted issuer"
    ROLE = "role"
    CLIENT = "client"
    USER = "user"


TYPES: dict[Kind, ResourceType[Any, Any]] = {
    Kind(each.kind): each for each in (AUDIENCE, TRUSTED_ISSUER, ROLE, CLIENT, USER)
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
