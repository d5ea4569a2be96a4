"""Predicting what AgentOS answers to a request: the decision, the reason, what is missing."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote

from issuer.catalogue.catalogue import NEWEST, Catalogue, RouterCheck
from issuer.catalogue.rights import (
    ADMIN_ONLY,
    HeldScope,
    ListFilter,
    Listing,
    Need,
    list_filter_of,
    need_of,
    read,
)
from issuer.scopes import AGENT_OS_ADMIN, covers

# What `request.url.path` of Starlette keeps encoded, and what it drops.
_AS_IN_URL = str.maketrans(
    {"?": "%3F", "#": "%23", "\\": "%5C", "\t": None, "\r": None, "\n": None}
)


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
    """The scopes without those that another one covers."""
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
