"""Clients and users, on record and in a manifest, and which of these are which of those."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from issuer.clients import ClientFields
from issuer.fields import fold_id
from issuer.manifest import current
from issuer.manifest.entries import Entries
from issuer.manifest.members import bare, in_order
from issuer.manifest.problems import Path
from issuer.manifest.resources import Kind, Resource
from issuer.roles import Assignment
from issuer.usernames import fold_username
from issuer.users import UserFields


@dataclass(frozen=True)
class Principal:
    """A client or a user, and what it is given. `path`: where a manifest says so."""

    fields: ClientFields | UserFields
    given: list[Assignment]
    path: Path = ()

    @property
    def resource(self) -> Resource:
        if isinstance(self.fields, ClientFields):
            assert self.fields.client_id is not None
            return Resource(Kind.CLIENT, self.fields.client_id, self.fields.client_id)
        return Resource(Kind.USER, self.fields.id, self.fields.username)


def stored(work: current.Configuration) -> Iterator[Principal]:
    """Every client, then every user of the house."""
    for client, given in current.clients(work):
        yield _client(client, given)
    for user, given in current.users(work):
        yield _user(user, given)


class Declared:
    """The clients and users of a manifest."""

    def __init__(self, entries: Entries) -> None:
        principals = [
            _client(each, each.roles, ("clients", number))
            for number, each in enumerate(entries.clients)
        ] + [
            _user(each, each.roles, ("users", number)) for number, each in enumerate(entries.users)
        ]
        self._left = {each.path: each for each in principals}
        self._by_key = {_key(each.resource): each.path for each in principals}
        self._ids = {
            fold_id(each.resource.id): each.path for each in principals if each.resource.id
        }
        self._usernames = {
            fold_username(each.fields.username): each.path
            for each in principals
            if isinstance(each.fields, UserFields)
        }

    def meet(self, record: Principal) -> Principal | None:
        """The entry of this client or user, who is then no longer among those `left`.

        It is the one of that id; a user's may have none, and then be the one of that name.
        """
        path = self._by_key.get(_key(record.resource))
        if path is None and isinstance(record.fields, UserFields):
            path = self._by_key.get((Kind.USER, None, fold_username(record.fields.username)))
        if path is None or (entry := self._left.pop(path, None)) is None:
            return None
        if isinstance(entry.fields, UserFields) and entry.fields.id is None:
            fields = entry.fields.model_copy(update={"id": record.resource.id})
            return replace(entry, fields=fields)
        return entry

    def left(self) -> Iterable[Principal]:
        """The entries nobody on record has met: they are to be made."""
        return self._left.values()

    def unassigned_from(self, record: Principal, entry: Principal | None) -> Iterator[Path]:
        """Where the manifest gives the id or the user name of `record` to somebody else.

        `entry` is what the record will be; None: it stays as it is.
        """
        own = entry.path if entry else None
        assert record.resource.id is not None
        path = self._ids.get(fold_id(record.resource.id))
        if path not in {None, own}:
            yield (*path, "client_id" if path[0] == "clients" else "id")
        if entry is None and isinstance(record.fields, UserFields):
            path = self._usernames.get(fold_username(record.fields.username))
            if path is not None:
                yield (*path, "username")


def _key(resource: Resource) -> tuple[Kind, str | None, str | None]:
    if resource.id is None:
        return (resource.kind, None, fold_username(resource.name))
    return (resource.kind, resource.id, None)


def _client(fields: ClientFields, given: Iterable[Assignment], path: Path = ()) -> Principal:
    return Principal(bare(ClientFields, fields), in_order(given), path)


def _user(fields: UserFields, given: Iterable[Assignment], path: Path = ()) -> Principal:
    return Principal(bare(UserFields, fields), in_order(given), path)
