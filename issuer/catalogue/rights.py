"""Agno's interpretation of scopes: what a request requires, and whether the held scopes cover it.

Gives the same answers as `has_required_scopes` and `get_accessible_resource_ids` of
`agno.os.scopes`, also for scopes that the issuer never grants. For the issuer's own algebra see
`issuer/scopes.py`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from issuer.scopes import AGENT_OS_ADMIN, OLD_NAMES, InvalidScope, Scope, parse

Listing = frozenset[str] | Literal["all"]

# Agno's regular expressions, verbatim: only these paths have an id.
_FAMILY = re.compile(r"^/(?:a2a/)?(agents|teams|workflows)(?:/|$)")
_FAMILY_WITH_ID = re.compile(r"^/(?:a2a/)?(?:agents|teams|workflows)/([^/]+)")
_WITH_ACTION, _WITH_ID = 2, 3
_EVERY: list[list[str]] = [[], ["*"], [""]]


@dataclass(frozen=True, slots=True)
class HeldScope:
    """A scope of a token as agno reads it. Without `resource_id` it is for every id."""

    text: str
    resource: str
    resource_id: str | None
    action: str

    @property
    def is_admin(self) -> bool:
        return self.text == AGENT_OS_ADMIN


def read(scopes: Iterable[str]) -> list[HeldScope]:
    """The scopes that agno can parse: `a:b` and `a:b:c`."""
    parts = ((text, text.split(":")) for text in scopes)
    return [
        # For every id: `a:b`, `a:*:b`, and for agno also `a::b`.
        HeldScope(text, _today(words[0]), None if words[1:-1] in _EVERY else words[1], words[-1])
        for text, words in parts
        if len(words) in {_WITH_ACTION, _WITH_ID}
    ]


def _today(resource: str) -> str:
    return OLD_NAMES.get(resource, resource)


@dataclass(frozen=True, slots=True)
class Need:
    """What a request requires: of one id or of all; without a resource, `agent_os:admin`."""

    resource: str | None
    resource_id: str | None
    action: str

    @property
    def narrowest(self) -> str:
        """The narrowest scope in our grammar that grants this."""
        if self.resource is None:
            return AGENT_OS_ADMIN
        return _of_one_id(self.resource, self.resource_id, self.action)

    def granted_by(self, held: Iterable[HeldScope]) -> tuple[str, ...]:
        """The first scope that grants this, if any."""
        return next(((scope.text,) for scope in held if self._is_met_by(scope)), ())

    def lacking(self, held: Iterable[HeldScope]) -> str:
        """The scope to add; for a `Need` it does not depend on those that are held."""
        return self.narrowest

    def _is_met_by(self, scope: HeldScope) -> bool:
        if scope.is_admin:
            return True
        if (scope.resource, scope.action) != (self.resource, self.action):
            return False
        return scope.resource_id is None or scope.resource_id == self.resource_id


ADMIN_ONLY = Need(None, None, "admin")


@dataclass(frozen=True, slots=True)
class ListFilter:
    """A list that shows the ids held for one of `actions`, and is refused if there are none."""

    resource: str
    actions: tuple[str, ...]

    @property
    def narrowest(self) -> str:
        return f"{self.resource}:{self.actions[0]}"

    def shows(self, held: Iterable[HeldScope]) -> Listing:
        seen = [scope for scope in held if self._matches(scope)]
        if any(scope.is_admin or scope.resource_id is None for scope in seen):
            return "all"
        return frozenset(scope.resource_id for scope in seen if scope.resource_id)

    def granted_by(self, held: Iterable[HeldScope]) -> tuple[str, ...]:
        """The scopes that show any id."""
        return tuple(scope.text for scope in held if self._matches(scope))

    def lacking(self, held: Iterable[HeldScope]) -> str:
        """The scope for the first id that is held with another action, or else for all."""
        known = (scope.resource_id for scope in held if scope.resource == self.resource)
        return _of_one_id(self.resource, next(filter(None, known), None), self.actions[0])

    def _matches(self, scope: HeldScope) -> bool:
        return scope.is_admin or (scope.resource == self.resource and scope.action in self.actions)


def _of_one_id(resource: str, resource_id: str | None, action: str) -> str:
    text = f"{resource}:{resource_id}:{action}"
    if resource_id in {None, "*"} or try_parse(text) is None:
        return f"{resource}:{action}"
    return text


def try_parse(text: str) -> Scope | None:
    """The scope in the issuer's own algebra; None if it can never be granted."""
    try:
        return parse(text)
    except InvalidScope:
        return None


def owner_of(path: str) -> tuple[str | None, str | None]:
    """The family and the id that a path is about: of `/agents/web/runs`, agents and web."""
    family, with_id = _FAMILY.match(path), _FAMILY_WITH_ID.match(path)
    return family and family[1], with_id and with_id[1]


def need_of(required: str, path: str, *, rewrites_every_family: bool) -> Need:
    """The right that the scope `required` means at `path`."""
    family, path_id = owner_of(path)
    words = required.split(":")
    is_of_family = rewrites_every_family or _today(words[0]) == family
    if len(words) == _WITH_ACTION and family and path_id and is_of_family:
        return Need(family, path_id, words[1])
    if required == AGENT_OS_ADMIN or len(words) not in {_WITH_ACTION, _WITH_ID}:
        return ADMIN_ONLY
    # An id in the map itself is ignored: the id of the path counts.
    wants_id = len(words) == _WITH_ID and words[1]
    return Need(_today(words[0]), path_id if wants_id else None, words[-1])


def list_filter_of(required: tuple[str, ...], method: str, path: str) -> ListFilter | None:
    """The list at `path`, if agno filters it rather than refusing it."""
    family, path_id = owner_of(path)
    if method != "GET" or not family or path_id or not required:
        return None
    words = required[0].split(":")
    return ListFilter(family, (words[-1],)) if len(words) > 1 and words[0] == family else None
