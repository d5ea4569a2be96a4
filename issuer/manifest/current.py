"""The current configuration, read in pages."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

from issuer.audiences import Audience, Audiences
from issuer.authority import Authority
from issuer.clients import Client, Clients
from issuer.roles import Assignment, Assignments, Role, Roles
from issuer.users import User, Users

Item = TypeVar("Item")

_PAGE = 500
_READ = [f"issuer:{section}:read" for section in ("audiences", "roles", "clients", "users")]


class Configuration(Protocol):
    """The domain objects of a unit of work, all in one transaction."""

    @property
    def authority(self) -> Authority: ...
    @property
    def audiences(self) -> Audiences: ...
    @property
    def roles(self) -> Roles: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def users(self) -> Users: ...
    @property
    def assignments(self) -> Assignments: ...
    @property
    def change_count(self) -> Callable[[], int]: ...


def require_readable(work: Configuration) -> None:
    """`Forbidden` unless the caller may read all four sections."""
    for scope in _READ:
        work.authority.require(scope)


def audiences(work: Configuration) -> Iterator[Audience]:
    for page in _pages(work.audiences.page, lambda audience: audience.id):
        yield from page


def roles(work: Configuration) -> Iterator[Role]:
    for page in _pages(work.roles.page, lambda role: role.name):
        yield from page


def clients(work: Configuration) -> Iterator[tuple[Client, list[Assignment]]]:
    """Every client with its assignments."""
    for page in _pages(work.clients.page, lambda client: client.client_id):
        assigned = work.assignments.of_each([client.client_id for client in page])
        yield from ((client, assigned[client.client_id]) for client in page)


def users(work: Configuration) -> Iterator[tuple[User, list[Assignment]]]:
    """Every user with their assignments."""
    for page in _pages(work.users.page, lambda user: user.id):
        assigned = work.assignments.of_each([user.id for user in page])
        yield from ((user, assigned[user.id]) for user in page)


def _pages(
    read: Callable[[str | None, int], list[Item]], key: Callable[[Item], str]
) -> Iterator[list[Item]]:
    after = None
    while page := read(after, _PAGE):
        yield page
        after = key(page[-1])
