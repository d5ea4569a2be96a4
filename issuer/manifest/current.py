"""The current configuration, read in pages."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from issuer.audiences import Audiences
from issuer.authority import Authority
from issuer.clients.client import Client
from issuer.clients.clients import Clients
from issuer.clock import Clock
from issuer.fields.fields import Fields
from issuer.groups import Groups
from issuer.manifest.entries import TYPES, AnyType
from issuer.resources import Collection, ResourceType
from issuer.resources.resource_type import FieldsT, ModelT
from issuer.roles import Assignments, HeldRole
from issuer.trusted_issuers import TrustedIssuers
from issuer.users.users import Users
from issuer.vocabulary import RegisteredBy

_PAGE = 500


class Configuration(Protocol):
    """The domain objects of a unit of work, all in one transaction."""

    @property
    def clock(self) -> Clock: ...
    @property
    def authority(self) -> Authority: ...
    @property
    def audiences(self) -> Audiences: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def trusted_issuers(self) -> TrustedIssuers: ...
    @property
    def users(self) -> Users: ...
    @property
    def groups(self) -> Groups: ...
    @property
    def assignments(self) -> Assignments: ...
    @property
    def unknown_scopes_allowed(self) -> bool: ...
    @property
    def change_count(self) -> Callable[[], int]: ...

    def collection(
        self, resource_type: ResourceType[FieldsT, ModelT]
    ) -> Collection[Any, FieldsT, ModelT]: ...


def require_readable(work: Configuration) -> None:
    """`Forbidden` unless the caller may read all sections."""
    for resource_type in TYPES.values():
        work.authority.require(resource_type.read)


def resources(work: Configuration, kind: AnyType, after: str | None = None) -> Iterator[Any]:
    """Every resource of the type whose key follows `after`."""
    for page in _pages(work, kind, after):
        yield from page


def principals(work: Configuration, kind: AnyType) -> Iterator[tuple[Any, list[HeldRole]]]:
    """Every client, user or group, with the roles that it holds."""
    for page in _pages(work, kind):
        ids = [kind.key_of(each) for each in page]
        held = work.assignments.roles_of_all(ids)
        yield from ((each, held[key]) for each, key in zip(page, ids, strict=True))


def in_text_order(work: Configuration, kind: AnyType) -> Iterator[list[Any]]:
    """Every resource of the type, in pages, in an order that is the same on each database."""
    for page in work.collection(kind).in_text_order(_PAGE):
        yield [each for each in page if not is_self_registered(each)]


def _pages(work: Configuration, kind: AnyType, after: str | None = None) -> Iterator[list[Any]]:
    while page := work.collection(kind).page(after, _PAGE):
        yield [each for each in page if not is_self_registered(each)]
        after = kind.key_of(page[-1])


def is_self_registered(resource: Fields) -> bool:
    """Whether it is a client that no administrator made: not a part of the configuration."""
    return isinstance(resource, Client) and resource.registered_by is not RegisteredBy.ADMIN
