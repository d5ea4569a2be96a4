"""The resources of one type at a server."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from issuer.cli.remote.target import needs_host
from issuer.cli.remote.transaction import ServerTransaction, parsed
from issuer.clients.client import CLIENT
from issuer.database.store import ListPart, ListQuery, every
from issuer.errors import IssuerError, NotFound
from issuer.groups import GROUP
from issuer.resources import ResourceType
from issuer.trusted_issuers.fields import WORKLOAD
from issuer.trusted_issuers.trusted_issuer import TrustedIssuerFields, TrustedIssuerResource
from issuer.trusted_issuers.trusted_issuers import evident
from issuer.users import USER

_PRINCIPALS = (CLIENT, GROUP, USER)
_NAMED = 50  # resources of which an id or a name begins with a name


class ServerCollection:
    """The resources of one type."""

    def __init__(self, work: ServerTransaction, resource_type: ResourceType[Any, Any]) -> None:
        self._work = work
        self.resource_type = resource_type
        self._path = resource_type.plural
        self._cursors: dict[str | None, str | None] = {None: None}

    def get(self, key: str) -> Any:
        if key in {"", ".", ".."}:
            raise NotFound(self.resource_type.kind, key)
        return self._note(parsed(self.resource_type.model, self._work.read(self._path, key)))

    def exists(self, key: str) -> bool:
        try:
            return bool(self.get(key))
        except NotFound:
            return False

    def find(self, id_or_name: str) -> Any:
        """The one of that id, else of that name."""
        try:
            return self.get(id_or_name)
        except NotFound:
            for each in self.search(id_or_name, _NAMED):
                if self.resource_type.is_named(each, id_or_name):
                    return each
            raise

    def page(self, after: str | None, limit: int) -> list[Any]:
        is_key_typed = after not in self._cursors  # to complete it
        return self.search(str(after), limit) if is_key_typed else self._page(after, limit, None)

    def listed(self, asked: ListQuery) -> ListPart[Any]:
        model = self.resource_type.listed_model
        return ListPart(self._page(asked.after, asked.limit, asked.search, model))

    def search(self, text: str, limit: int) -> list[Any]:
        return self._page(None, limit, text)

    def usernames(self, first: str, limit: int) -> list[str]:
        return [self.resource_type.name_of(each) for each in self.search(first, limit)]

    names = usernames

    def named(self, keys: Iterable[str]) -> list[Any]:
        found = []
        for key in keys:
            with suppress(IssuerError):
                found.append(self.get(key))
        return found

    def create(self, fields: BaseModel) -> Any:
        kept, allowed = self._work.of_change(self.resource_type)
        members = fields.model_dump(exclude_unset=True) | kept
        key = self.resource_type.key
        made = self._work.create(self._path, body=members, key=key, allow_unknown_scopes=allowed)
        model = self.resource_type.created
        if model is None or not model.model_fields.keys() - {"version"} <= made.keys():
            model = self.resource_type.model  # such as a client without a secret
        return self._note(self._work.changed(model, made))

    def update(self, key: str, patch: Mapping[str, object]) -> Any:
        kept, allowed = self._work.of_change(self.resource_type)
        body = {**patch, **kept}
        path = self._path, key
        changed = self._work.change("PATCH", *path, body=body, allow_unknown_scopes=allowed)
        return self._work.changed(self.resource_type.model, changed)

    def __getattr__(self, name: str) -> Any:
        raise needs_host(self._work.api.issuer)

    def _note(self, resource: Any) -> Any:
        if self.resource_type in _PRINCIPALS:  # no two of which have the same id
            self._work.kinds[self.resource_type.key_of(resource)] = self.resource_type
        return resource

    def _page(
        self,
        after: str | None,
        limit: int,
        search: str | None,
        model: type[BaseModel] | None = None,
    ) -> list[Any]:
        cursor = self._cursors[after]
        if after is not None and cursor is None:
            return []
        params = {"limit": limit, "cursor": cursor, "search": search}
        found, next_cursor = self._work.api.page([self._path], params)
        items = [self._note(parsed(model or self.resource_type.model, each)) for each in found]
        if items:
            self._cursors[self.resource_type.key_of(items[-1])] = next_cursor
        return items


class ServerTrustedIssuers(ServerCollection):
    """Trusted issuers."""

    def find_by_url(self, issuer: str) -> TrustedIssuerFields:
        """The one for this `iss`, as the rules of the domain find or create it."""
        listed = every(self.page, self.resource_type.key, None)
        stored = [each for each in listed if each.issuer == issuer and WORKLOAD in each.kinds]
        found = evident(issuer, stored)
        return found if isinstance(found, TrustedIssuerResource) else self.create(found)


class ServerUsers(ServerCollection):
    """Users."""

    def set_password(self, user_id: str, password: str) -> None:
        self._work.change("PUT", self._path, user_id, "password", body={"password": password})
