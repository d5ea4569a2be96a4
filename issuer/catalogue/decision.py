"""Predicting what AgentOS answers to a request: the decision, the reason, what is missing."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal
from urllib.parse import unquote

from issuer.catalogue.catalogue import NEWEST, Catalogue, RouterCheck
from issuer.scopes import AGENT_OS_ADMIN, OLD_NAMES, InvalidScope, Scope, covers, parse

Listing = frozenset[str] | Literal["all"]

# Agno's regular expressions, verbatim: only these paths have an id.
_FAMILY = re.compile(r"^/(?:a2a/)?(agents|teams|workflows)(?:/|$)")
_FAMILY_WITH_ID = re.compile(r"^/(?:a2a/)?(?:agents|teams|workflows)/([^/]+)")
_WITH_ACTION, _WITH_ID = 2, 3
_EVERY: list[list[str]] = [[], ["*"], [""]]
# What `request.url.path` of Starlette keeps encoded, and what it drops.
_AS_IN_URL = str.maketrans(
    {"?": "%3F", "#": "%23", "\\": "%5C", "\t": None, "\r": None, "\n": None}
)


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


@dataclass(frozen=True, slots=True)
class Decision:
    """What AgentOS, or the issuer at its own API, does with a valid token of these scopes.

    `required` are the least scopes that allow the request, `by` the held scopes that allow it,
    and `smallest_addition` those to add so that it is allowed. `listing` are the ids that a list
    shows, for a route that AgentOS filters by the scopes held. Without `needs_token` the answer
    is the same for every caller.
    """

    allowed: bool
    required: tuple[str, ...]
    by: tuple[str, ...]
    listing: Listing | None
    reason: str
    smallest_addition: tuple[str, ...]
    needs_token: bool = True

    @property
    def is_unguarded(self) -> bool:
        """Whether any valid token is enough, if the route exists."""
        return self.allowed and self.needs_token and not self.required

    @classmethod
    def of_unknown_route(cls, reason: str) -> "Decision":
        """404 or 405 for every caller."""
        return cls(False, (), (), None, reason, (), needs_token=False)

    def as_json(self) -> dict[str, Any]:
        listed = sorted(self.listing) if isinstance(self.listing, frozenset) else self.listing
        members = {**asdict(self), "listing": listed}
        del members["needs_token"]
        return members


def decide(scopes: Iterable[str], method: str, path: str, version: str = NEWEST) -> Decision:
    """What AgentOS of this version answers to `method path` with a token of `scopes`.

    `path` is as in a URL: percent-encoded; a query is ignored. Checks of the body, the query or
    the owner of a row are not considered. `UnknownVersion` if there is no catalogue.
    """
    return decide_at(Catalogue.load(version), scopes, method, path)


def decide_at(catalogue: Catalogue, scopes: Iterable[str], method: str, path: str) -> Decision:
    """`decide`, with a catalogue."""
    method, path = method.upper(), as_routed(path)
    if method == "OPTIONS":
        return _open("AgentOS answers OPTIONS without a token.", needs_token=False)
    if catalogue.is_public(path):
        return _open(f"AgentOS requires no token at {path}.", needs_token=False)
    questions = list(dict.fromkeys(_questions(catalogue, method, path)))
    if not questions:
        return _open(
            f"The scope map of agno {catalogue.version} has no entry for {method} {path},"
            " so any valid token may call it."
        )
    return _answer(questions, read(scopes))


def as_routed(path: str) -> str:
    """The path of a URL as a router sees it."""
    return unquote(path_of(path))


def path_of(url: str) -> str:
    """The path, still encoded, without a query or a fragment."""
    path = url.split("?", 1)[0].split("#", 1)[0]
    return path if path.startswith("/") else f"/{path}"


def _open(reason: str, *, needs_token: bool = True) -> Decision:
    return Decision(True, (), (), None, reason, (), needs_token)


def _questions(catalogue: Catalogue, method: str, path: str) -> Iterator[Need | ListFilter]:
    seen = path.translate(_AS_IN_URL) if catalogue.sees_url else path
    required = catalogue.required_at(method, seen)
    if list_filter := list_filter_of(required, method, seen):
        yield list_filter
    else:
        rewrites = catalogue.rewrites_every_family
        yield from (need_of(s, seen, rewrites_every_family=rewrites) for s in required)
    yield from (_check_of(check, parts) for check, parts in catalogue.checks_at(method, path))
    if path.endswith("/") and path.strip("/"):
        # Starlette redirects to the path without the slash.
        yield from _questions(catalogue, method, path.rstrip("/"))


def _check_of(check: RouterCheck, parts: dict[str, str]) -> Need | ListFilter:
    if check.scope == AGENT_OS_ADMIN:
        return ADMIN_ONLY
    resource, name, action = check.scope.split(":")
    resource_id = parts.get(name.strip("{}"))
    if resource_id is None:
        # Agno then names no action, and accepts these two.
        return ListFilter(resource, ("read", "run"))
    return Need(resource, resource_id, action)


def _answer(questions: list[Need | ListFilter], held: list[HeldScope]) -> Decision:
    required = _least(question.narrowest for question in questions)
    unmet = [question for question in questions if not question.granted_by(held)]
    if unmet:
        return _refuse(required, unmet, held)
    by = without_repeats(scope for question in questions for scope in question.granted_by(held))
    shown = (question.shows(held) for question in questions if isinstance(question, ListFilter))
    listing = next(shown, None)
    reason = why_granted("AgentOS", required, by)
    if isinstance(listing, frozenset):
        reason = f"The list shows only what is held: {', '.join(sorted(listing))}."
    return Decision(True, required, by, listing, reason, ())


def _refuse(
    required: tuple[str, ...], unmet: list[Need | ListFilter], held: list[HeldScope]
) -> Decision:
    lacking = _least(question.lacking(held) for question in unmet)
    reason = why_refused("AgentOS", required, [question.narrowest for question in unmet])
    if isinstance(unmet[0], ListFilter):
        resource, action = unmet[0].resource, unmet[0].actions[0]
        reason = f"The list shows only the {resource} held for {action}, and none is."
    return Decision(False, required, (), None, reason, lacking)


def without_repeats(scopes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(scopes))


def _least(scopes: Iterable[str]) -> tuple[str, ...]:
    found = without_repeats(scopes)
    return tuple(one for one in found if not covers([two for two in found if two != one], one))


def why_refused(api: str, required: tuple[str, ...], missing: Iterable[str]) -> str:
    """A sentence on what `api` requires for a request that lacks `missing`."""
    which = "it" if len(required) == 1 else _and(missing)
    return f"{api} requires {_and(required)} here, and no scope covers {which}."


def why_granted(api: str, required: tuple[str, ...], by: tuple[str, ...]) -> str:
    """A sentence on how `by` covers what `api` requires for a request."""
    if set(required) <= set(by):
        return f"{_and(required)} {'is' if len(required) == 1 else 'are'} held."
    verb = "covers" if len(by) == 1 else "cover"
    return f"{api} requires {_and(required)} here, and {_and(by)} {verb} it."


def _and(scopes: Iterable[str]) -> str:
    return " and ".join(without_repeats(scopes))
