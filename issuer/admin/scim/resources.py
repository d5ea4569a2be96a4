"""What users and groups have in common: finding, reading and representing them."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar
from urllib.parse import quote

from scim2_models import (
    Context,
    Meta,
    PatchOp,
    Path,
    PayloadTooLargeException,
    Resource,
    ResponseParameters,
    SearchRequest,
)

from issuer.admin.scim.description import PREFIX
from issuer.admin.scim.queries import Searched, condition_of, order_of
from issuer.composition import UnitOfWork
from issuer.database.conditions import ALWAYS, NEVER, Attribute, Condition, RowQuery, Value
from issuer.http.etags import etag_of

_READ_ONLY = {"id", "meta", "groups"}
_MAX_OPERATIONS = 100
_MAX_RELATED = 20_000  # members, or groups, in one response

StoredT = TypeVar("StoredT", bound="Stored")


class Stored(Protocol):
    """A stored resource."""

    @property
    def id(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def updated_at(self) -> datetime: ...
    @property
    def version(self) -> int: ...


class ScimResources(Searched):
    """The resources of one kind, within one transaction."""

    model: ClassVar[Any]
    name: ClassVar[str]
    endpoint: ClassVar[str]
    answers_patch: ClassVar[bool] = True
    """Whether the answer to PATCH is the resource: not if it may be long."""

    def __init__(self, work: UnitOfWork, url: str) -> None:
        self._work = work
        self._url = url

    @abstractmethod
    def get(self, id: str) -> Stored:
        """`NotFound` if there is none."""

    @abstractmethod
    def create(self, body: Any) -> str:
        """Make one; its id."""

    @abstractmethod
    def replace(self, id: str, body: Any) -> None:
        """Replace all attributes but those that SCIM cannot set."""

    @abstractmethod
    def patch(self, id: str, body: Any) -> None:
        """Apply the operations, all of them or none (RFC 7644 §3.5.2)."""

    @abstractmethod
    def delete(self, id: str) -> None:
        """Delete it."""

    def condition(self, name: str, operator: str, value: Value) -> Condition:
        if name == "schemas" and operator == "eq" and isinstance(value, str):
            return self._has_schema(value)
        return self.sorted_by(name).meets(operator, value)

    def sorted_by(self, name: str) -> Attribute:
        if name == "meta.resourceType":  # to tell resources of several kinds apart
            return Attribute.constant(self.name)
        return self._attribute(name)

    def _has_schema(self, schema: str) -> Condition:
        """Met by those whose `schemas` has it."""
        return ALWAYS if schema.lower() == self.model.__schema__.lower() else NEVER

    @abstractmethod
    def _attribute(self, name: str) -> Attribute:
        """The attribute of that name, for `sorted_by`: what differs between resources."""

    @abstractmethod
    def _found(self, asked: RowQuery) -> tuple[Sequence[Any], int]:
        """The stored resources that are asked for, and how many meet the condition in all."""

    @abstractmethod
    def _represented(self, stored: Sequence[Any], shown: ResponseParameters[Any]) -> list[Any]:
        """The resources of SCIM, with what is `shown` of them."""

    def page(
        self, search: SearchRequest[Any], offset: int, limit: int
    ) -> tuple[list[dict[str, Any]], int]:
        """A page of what the search finds, and how many it finds in all."""
        asked = RowQuery(
            condition_of(self.model, search, self),
            order_of(self.model, search, self),
            offset,
            limit,
            descending=search.sort_order is SearchRequest.SortOrder.descending,
        )
        found, total = self._found(asked)
        return [_dump(each, search) for each in self._represented(found, search)], total

    def shown(self, stored: Stored, parameters: ResponseParameters[Any]) -> dict[str, Any]:
        """The representation of one resource."""
        (resource,) = self._represented([stored], parameters)
        return _dump(resource, parameters)

    def location(self, id: str, endpoint: str = "") -> str:
        """The absolute URL of a resource, of this kind if not said otherwise."""
        return f"{self._url}{PREFIX}{endpoint or self.endpoint}/{quote(id, safe='')}"

    def is_shown(self, attribute: str, parameters: ResponseParameters[Any]) -> bool:
        """Whether the representation has the attribute: not if it is expensive and left out."""
        of_kind: Any = Path[self.model]  # type: ignore[name-defined]
        paths = of_kind.iter_paths(
            include_subattributes=False,
            attributes=parameters.attributes or [],
            excluded_attributes=parameters.excluded_attributes or [],
        )
        return attribute in {str(each) for each in paths}

    def read(self, sent: Mapping[str, Any], context: Context) -> Any:
        """The resource that a POST or PUT sent.

        Read-only attributes are ignored (RFC 7644 §3.3, §3.5.1): also those that the library, which
        ignores their values as well, would refuse as malformed.
        """
        rest = {name: value for name, value in sent.items() if name.lower() not in _READ_ONLY}
        return self.model.model_validate(rest, scim_ctx=context)

    def patched(self, resource: Resource[Any], body: Any) -> None:
        """Apply the operations of a PATCH to the resource (RFC 7644 §3.5.2)."""
        of_kind: Any = PatchOp[self.model]  # type: ignore[name-defined]
        patch = of_kind.model_validate(body, scim_ctx=Context.RESOURCE_PATCH_REQUEST)
        patch.patch(resource)

    def _meta(self, stored: Stored) -> Meta:
        return Meta(
            resource_type=self.name,
            created=stored.created_at,
            last_modified=stored.updated_at,
            location=self.location(stored.id),
            version=version_of(stored),
        )


def cut(stored: Sequence[StoredT], related: Mapping[str, int]) -> list[StoredT]:
    """The first of them, as many as have no more related resources than a response may have."""
    left, some = _MAX_RELATED, list(stored[:1])
    for each in stored[1:]:
        left -= related[some[-1].id]
        if left < related[each.id]:
            break
        some.append(each)
    return some


def bounded_operations(body: Any) -> list[Any]:
    """The operations of a PATCH, not checked yet: each of them copies what it changes."""
    sent = body.get("Operations")
    operations: list[Any] = sent if isinstance(sent, list) else []
    if len(operations) > _MAX_OPERATIONS:
        raise PayloadTooLargeException(detail=f"At most {_MAX_OPERATIONS} operations.")
    return operations


def member(value: Mapping[str, Any], name: str) -> Any:
    """Names of attributes are compared in any case (RFC 7643 §2.1)."""
    return next((each for key, each in value.items() if key.lower() == name), None)


def version_of(stored: Stored) -> str:
    """The weak ETag (RFC 7644 §3.14): what the resource is derived from has no version."""
    identity = f"{stored.id} {stored.created_at.isoformat()} {stored.version}"
    return f"W/{etag_of(identity.encode())}"


def _dump(resource: Resource[Any], shown: ResponseParameters[Any]) -> dict[str, Any]:
    dumped: dict[str, Any] = resource.model_dump(
        scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=shown
    )
    return dumped
