"""The definition of a resource, for the admin API, the command line, manifests and audit log."""

from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from issuer.fields.fields import Fields
from issuer.resources.member import Member, members_of

FieldsT = TypeVar("FieldsT", bound=Fields)
ModelT = TypeVar("ModelT", bound=Fields)


@dataclass(frozen=True)
class ResourceType(Generic[FieldsT, ModelT]):
    """The names and the models of one kind of resource."""

    kind: str
    """In sentences and audit actions: `role`."""
    plural: str
    """In paths, scopes and messages: `roles`."""
    key: str
    """The member that identifies a resource, also the path parameter."""
    fields: type[FieldsT]
    """The members that an operator sets."""
    model: type[ModelT]
    """A stored resource."""
    created: type[ModelT] | None = None
    """A resource just created, if it has members that are shown only then."""

    @property
    def name(self) -> str:
        """In Python and in operation ids: `role`."""
        return self.kind.replace(" ", "_")

    @property
    def attribute(self) -> str:
        """In Python, where it may have no hyphen: of a unit of work, and in operation ids."""
        return self.plural.replace("-", "_")

    @property
    def read(self) -> str:
        """The scope to read these resources."""
        return f"issuer:{self.plural}:read"

    @property
    def write(self) -> str:
        """The scope to change these resources."""
        return f"issuer:{self.plural}:write"

    @cached_property
    def members(self) -> dict[str, Member]:
        """How people set each member, in the order of the fields."""
        return members_of(self.fields)

    @property
    def private(self) -> frozenset[str]:
        """Members of which the audit log has only the names."""
        return frozenset(name for name, each in self.members.items() if each.is_private)

    def key_of(self, resource: Fields) -> str:
        """The id or name of the resource."""
        key: str = getattr(resource, self.key)
        return key

    def shown_once(self, created: ModelT) -> dict[str, str]:
        """The members of a resource just created that are never shown again."""
        more = type(created).model_fields.keys() - self.model.model_fields.keys()
        return {name: getattr(created, name) for name in more}
