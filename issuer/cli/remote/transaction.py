"""Requests of one command to the admin API: dry runs first, where something may be asked."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from issuer.catalogue import NEWEST, lint
from issuer.cli.confirming import Confirmation, DryRunEnded
from issuer.cli.remote.admin_api import DRY_RUN, AdminApiClient
from issuer.errors import IssuerError
from issuer.fields.text import escape
from issuer.resources import ResourceType

_WARNING = re.compile(r'\b299 - ("(?:[^"\\]|\\.)*")')
Model = TypeVar("Model", bound=BaseModel)


class ServerTransaction:
    """Each change is a transaction of the server by itself.

    Where a `confirmation` may ask, changes are dry runs until nothing is left to ask. The real ones
    then name the ETags of the dry run.
    """

    def __init__(self, api: AdminApiClient, confirmation: Confirmation | None = None) -> None:
        self.api = api
        self.is_dry = confirmation is not None and not confirmation.is_settled
        known = confirmation.tags if confirmation else None
        self._tags: dict[tuple[str, ...], str] = dict(known or {})
        self._learns = not known
        self._created: list[tuple[str, ...]] = []
        self._unknown_scopes = False
        self.kept: dict[str, list[str]] = {}
        self.warnings: list[str] = []
        self.kinds: dict[str, ResourceType[Any, Any]] = {}  # of principals, by id

    def keep(self, credentials: Iterable[str], members: Iterable[str]) -> None:
        """Confirm what others gave to those who get rights at the issuer."""
        kept = {"keep_credentials": [*credentials], "keep_members": [*members]}
        self.kept = {name: ids for name, ids in kept.items() if ids}

    def allow_unknown_scopes(self) -> None:
        self._unknown_scopes = True

    @classmethod
    @contextmanager
    def begin(cls, api: AdminApiClient, confirmation: Confirmation | None = None) -> Iterator[Self]:
        """What was created is deleted if something else fails; `DryRunEnded` after a dry run."""
        work = cls(api, confirmation)
        try:
            yield work
        except BaseException:
            work._undo()
            raise
        if work.is_dry:
            raise DryRunEnded(work._tags)

    def _undo(self) -> None:
        for path in reversed(self._created):
            try:
                self.api.send("DELETE", path)
            except IssuerError as error:
                typer.echo(escape(f"Warning: {path[-1]} was created, and stays: {error}"), err=True)

    def read(self, *path: str) -> Any:
        answer = self.api.send("GET", path)
        if self._learns:
            self._tags[path] = answer.headers.get("ETag", "")
        return answer.json()

    def change(self, method: str, *path: str, body: object = None, **params: Any) -> dict[str, Any]:
        """Make a change, in a dry run only if something may be asked. Returns the answer."""
        return self.send(method, path, params, body, dry_run=self.is_dry)

    def send(
        self,
        method: str,
        path: tuple[str, ...],
        params: Mapping[str, Any],
        body: object = None,
        *,
        dry_run: bool = False,
    ) -> dict[str, Any]:
        more = {DRY_RUN: "true"} if dry_run else {}
        if_match = None if dry_run else self._tags.get(path)
        answer = self.api.send(method, path, {**params, **more}, body, if_match=if_match)
        if dry_run and answer.headers.get("Dry-Run") != "true":
            # Every released version refuses the parameter; something between may have removed it.
            raise IssuerError(
                f"{self.api.issuer} may have done this instead of trying it: it does not answer as"
                " to a dry run. Look at what it has now, and at whatever is between."
            )
        if dry_run and self._learns:
            self._tags[path] = answer.headers.get("ETag", "")
        texts = _WARNING.findall(answer.headers.get("Warning", ""))
        self.warnings += [json.loads(text) for text in texts]
        return answer.json() if answer.content else {}

    def create(self, *path: str, body: object, key: str = "", **params: Any) -> dict[str, Any]:
        """Create something at once. If the rest fails, the resource of the `key` is deleted."""
        made = self.change("POST", *path, body=body, **params)
        if key:
            self._created.append((*path, made[key]))
        return made

    def of_change(self, resource_type: ResourceType[Any, Any]) -> tuple[dict[str, Any], str | None]:
        """Members and a parameter for changes of resources that have scopes or give rights."""
        fields = resource_type.fields.model_fields
        allowed = "true" if self._unknown_scopes and "scopes" in fields else None
        return self.kept if resource_type.gives_rights else {}, allowed

    def changed(self, model: type[Model], members: dict[str, Any]) -> Model:
        """The resource of an answer to a change. Commands warn of scopes by themselves."""
        of_scopes = {each.message for each in lint(members.get("scopes", ()), [NEWEST])}
        more = members.pop("warnings", ())
        self.warnings += [each for each in more if each not in of_scopes]
        return parsed(model, members)


def parsed(model: type[Model], members: Mapping[str, Any]) -> Model:
    """A resource of an answer. Members that a newer server has are left out."""
    known = {name: members[name] for name in model.model_fields if name in members}
    if "version" in model.model_fields:  # which no answer shows
        known["version"] = 0
    try:
        return model.model_validate_json(json.dumps(known))
    except ValidationError as error:
        where = error.errors(include_input=False, include_url=False)[0]["loc"]
        raise IssuerError(
            f"The server answers with another {model.__name__} than this version of issuer knows"
            f" ({'.'.join(map(str, where))}): use the version of the server."
        ) from None
