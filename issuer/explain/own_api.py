"""Predicting what the issuer itself answers to a request: its admin API is an audience too."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from issuer.catalogue.decision import Decision, path_of, why_granted, why_refused, without_repeats
from issuer.catalogue.suggestions import path_regex
from issuer.fields.text import with_encoded_slashes
from issuer.scopes import ISSUER_ADMIN, counts_here, covers

_ISSUER = "The issuer"
_ANY = "issuer:roles:read"  # an example where any scope is enough


@dataclass(frozen=True, slots=True)
class OwnRoute:
    """A route that requires all of `needs`; (): any scope of the issuer; None: no access token.

    If two routes match a request, one of them is enough. `note` is a further requirement that the
    path alone cannot tell; it concerns admins only on routes without scopes.
    """

    methods: frozenset[str]
    path: str
    needs: tuple[str, ...] | None
    note: str = ""

    def is_at(self, path: str) -> bool:
        return path_regex(self.path).fullmatch(path) is not None


def _unknown() -> Iterable[OwnRoute]:
    raise LookupError("Nobody said which routes the issuer has.")


@dataclass
class OwnApi:
    """The issuer as an audience: its id, and the base path of its endpoints.

    `routes` is set by the interface that knows them.
    """

    audience: str
    base_path: str
    routes: Callable[[], Iterable[OwnRoute]] = _unknown

    def decide(self, scopes: Iterable[str], method: str, path: str) -> Decision:
        """What the issuer answers to `method path` with a valid token of `scopes`.

        `path` is as in a URL, with or without the path of the issuer.
        """
        method, held = method.upper(), sorted(scopes)
        path = with_encoded_slashes(path_of(path))
        there = self._routes_at(path) or self._routes_at(self.base_path + path)
        if not there:
            reason = f"{_ISSUER} has no route {path}: 404 for every caller."
            return Decision.of_unknown_route(reason)
        routes = [route for route in there if method in route.methods]
        if not routes:
            reason = f"{_ISSUER} has {path}, but does not allow {method}: 405 for every caller."
            return Decision.of_unknown_route(reason)
        met = [route for route in routes if _is_met(route.needs, held)]
        return _grant(met[0], held) if met else _refusal(routes[0], held)

    @cached_property
    def examples(self) -> dict[str, tuple[str, str]]:
        """By scope, the first operation without an id that this scope alone allows."""
        found: dict[str, tuple[str, str]] = {}
        for route in self.routes():
            if route.needs and len(route.needs) == 1 and "{" not in route.path:
                operation = min(route.methods), route.path.removeprefix(self.base_path)
                found.setdefault(route.needs[0], operation)
        return found

    def _routes_at(self, path: str) -> list[OwnRoute]:
        return [route for route in self.routes() if route.is_at(path)]


def _is_met(needs: tuple[str, ...] | None, held: list[str]) -> bool:
    if not needs:
        return needs is None or counts_here(held)
    return all(covers(held, each) for each in needs)


def _refusal(route: OwnRoute, held: list[str]) -> Decision:
    needs = route.needs or ()
    lacking = tuple(need for need in needs if not covers(held, need))
    if needs:
        reason = _note(why_refused(_ISSUER, needs, lacking), route, held)
    else:
        reason = f"{_ISSUER} requires any of its own scopes here, and none is held."
        lacking = (_ANY,)
    return Decision(False, needs, (), None, reason, lacking)


def _grant(route: OwnRoute, held: list[str]) -> Decision:
    by = without_repeats(_narrowest(held, need) for need in route.needs or ())
    if route.needs is None:
        reason = "This requires no scope and no access token."
    elif not route.needs:
        reason = "Any access token with a scope of the issuer is enough here."
    else:
        reason = why_granted(_ISSUER, route.needs, by)
    reason = _note(reason, route, held)
    needs_token = route.needs is not None
    return Decision(True, route.needs or (), by, None, reason, (), needs_token)


def _narrowest(held: list[str], need: str) -> str:
    covering = (scope for scope in held if covers([scope], need))
    return min(covering, key=lambda scope: (scope != need, scope == ISSUER_ADMIN))


def _note(reason: str, route: OwnRoute, held: list[str]) -> str:
    is_moot = not route.note or (route.needs is not None and covers(held, ISSUER_ADMIN))
    return reason if is_moot else f"{reason} {route.note}"
