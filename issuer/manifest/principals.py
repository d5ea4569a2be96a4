"""Matching the clients and users of a manifest with the stored ones, and renaming users."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from issuer.clients import CLIENT, ClientFields
from issuer.fields.fields import Fields
from issuer.fields.ids import fold_id
from issuer.fields.usernames import fold_username
from issuer.manifest import current
from issuer.manifest.changes import Change
from issuer.manifest.entries import Entries, Resource, bare, in_order
from issuer.manifest.problems import Path
from issuer.resources import ResourceType
from issuer.roles import Assignment
from issuer.users import USER, UserFields


@dataclass(frozen=True)
class PlannedPrincipal:
    """A client or a user with its assignments. `path` is its place in a manifest."""

    fields: ClientFields | UserFields
    assignments: list[Assignment]
    path: Path = ()

    @property
    def resource(self) -> Resource:
        if isinstance(self.fields, ClientFields):
            assert self.fields.client_id is not None
            return Resource(CLIENT.kind, self.fields.client_id, self.fields.client_id)
        return Resource(USER.kind, self.fields.id, self.fields.username)


def stored(work: current.Configuration) -> Iterator[PlannedPrincipal]:
    """Every stored client, then every stored user."""
    for kind in (CLIENT, USER):
        for each, assignments in current.principals(work, kind):
            yield _planned(kind, each, assignments)


def _planned(
    kind: ResourceType[Any, Any], fields: Fields, assignments: Iterable[Assignment], path: Path = ()
) -> PlannedPrincipal:
    return PlannedPrincipal(bare(kind.fields, fields), in_order(assignments), path)


class Declared:
    """The clients and users of a manifest."""

    def __init__(self, entries: Entries) -> None:
        principals = [
            _planned(kind, each, each.roles, (kind.attribute, number))
            for kind in (CLIENT, USER)
            for number, each in enumerate(getattr(entries, kind.attribute))
        ]
        self._left = {each.path: each for each in principals}
        self._by_key = {_key(each.resource): each.path for each in principals}
        self._ids = {
            fold_id(each.resource.id): each.path for each in principals if each.resource.id
        }
        # Perhaps an invitation verified the address: only an entry that says so changes that.
        self._keeps_verified = {
            (USER.attribute, number)
            for number, each in enumerate(entries.users)
            if "email_verified" not in each.model_fields_set
        }
        self._usernames = {
            fold_username(each.fields.username): each.path
            for each in principals
            if isinstance(each.fields, UserFields)
        }

    def match(self, record: PlannedPrincipal) -> PlannedPrincipal | None:
        """The entry of this stored client or user; it is then removed from those `left`.

        Found by id; an entry of a user without an id is found by user name.
        """
        path = self._by_key.get(_key(record.resource))
        if path is None and isinstance(record.fields, UserFields):
            path = self._by_key.get((USER.kind, None, fold_username(record.fields.username)))
        if path is None or (entry := self._left.pop(path, None)) is None:
            return None
        if isinstance(entry.fields, UserFields) and isinstance(record.fields, UserFields):
            known: dict[str, object] = {"id": record.resource.id}
            if path in self._keeps_verified and entry.fields.email == record.fields.email:
                known["email_verified"] = record.fields.email_verified
            return replace(entry, fields=entry.fields.model_copy(update=known))
        return entry

    def left(self) -> Iterable[PlannedPrincipal]:
        """The entries that match no stored client or user: to be created."""
        return self._left.values()

    def conflicts_with(
        self, record: PlannedPrincipal, entry: PlannedPrincipal | None
    ) -> Iterator[Path]:
        """Where another entry uses the id or the user name of `record`.

        `entry` is the declared state of the record; None: it stays as it is.
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


def _key(resource: Resource) -> tuple[str, str | None, str | None]:
    if resource.id is None:
        return (resource.kind, None, fold_username(resource.name))
    return (resource.kind, resource.id, None)


def renames_in_order(updates: Iterable[Change]) -> Iterator[Change]:
    """`updates` of users, each after the one that frees its new name.

    In a cycle of names, one user first gets a temporary name.
    """
    waiting = list(updates)
    while waiting:
        held = {_name(each.before) for each in waiting} - {None}
        blocked = [each for each in waiting if _is_blocked(each, held)]
        if len(blocked) < len(waiting):
            yield from (each for each in waiting if not _is_blocked(each, held))
        else:
            temporary, blocked[0] = _via_temporary_name(blocked[0])
            yield temporary
        waiting = blocked


def _is_blocked(change: Change, held: set[str | None]) -> bool:
    new_name = _name(change.after)
    return new_name in held and new_name != _name(change.before)


def _name(members: Mapping[str, object]) -> str | None:
    return fold_username(str(members["username"])) if "username" in members else None


def _via_temporary_name(change: Change) -> tuple[Change, Change]:
    assert isinstance(change.fields, UserFields)
    digest = sha256(str(change.resource.id).encode()).hexdigest()
    temporary = {"username": f"renaming-{digest[:32]}"}
    after = {"username": change.after["username"]}
    return (
        replace(
            change,
            after={**change.after, **temporary},
            fields=change.fields.model_copy(update=temporary),
        ),
        replace(change, before=temporary, after=after),
    )
