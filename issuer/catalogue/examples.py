"""For a scope, a request that requires exactly it."""

from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote

from issuer.catalogue.catalogue import NEWEST, Catalogue
from issuer.catalogue.decision import decide
from issuer.catalogue.own_routes import first_requiring
from issuer.scopes import AGENT_OS_ADMIN, InvalidScope, parse

Request = tuple[str, str]


@lru_cache(maxsize=4096)
def example_of(text: str) -> Request | None:
    """A method and a path that the scope alone allows, at the newest AgentOS or at the issuer.

    In the path `*` stands for any id. None if no route requires this scope, or it is not one.
    """
    try:
        scope = parse(text)
    except InvalidScope:
        return None
    if scope.is_of_issuer:
        return first_requiring(text)
    if text == AGENT_OS_ADMIN:
        checks = Catalogue.load(NEWEST).checks
        return next((each.method, each.path) for each in checks if each.scope == text)
    parts = scope.canonical.split(":")
    candidates = _candidates(*parts) if len(parts) > 1 else iter(())
    return next((each for each in candidates if _requires(text, each)), None)


def _candidates(resource: str, resource_id: str, action: str) -> Iterator[Request]:
    """Routes without an id first; of what has ids in scopes, those with one."""
    required = (f"{resource}:{action}",)
    catalogue = Catalogue.load(NEWEST)
    routes = [each for each in catalogue.routes if each.required == required]
    with_id = bool(routes) and catalogue.resources[resource].takes_ids
    for route in sorted(routes, key=lambda each: ("*" in each.pattern) != with_id):
        first, *others = route.pattern.split("*")
        path = "".join([first, *(quote(resource_id, safe="*") + each for each in others)])
        yield route.method, path


def _requires(scope: str, request: Request) -> bool:
    return decide([scope], *request).allowed and not decide([], *request).allowed
