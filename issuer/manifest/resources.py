"""The resources of a manifest and their names."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from issuer.manifest.problems import shown


class Kind(StrEnum):
    AUDIENCE = "audience"
    ROLE = "role"
    CLIENT = "client"
    USER = "user"


SECTIONS = {kind: f"{kind}s" for kind in Kind}  # of a manifest, of the API, of its scopes


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
