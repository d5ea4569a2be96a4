"""Scopes as agno requires them: routes that require none, and why a request was refused."""

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from issuer.agentos.agno_app import Guard, MountedApp, places_within, serves
from issuer.agentos.errors import InvalidConfiguration
from issuer.agentos.key_fetching import Scope
from issuer.agentos.protected_resource import is_scope, path_in_app

_EXAMPLES = {
    "sessions, memories, config and the like": ("GET", "/sessions"),
    "A2A": ("POST", "/a2a/agents/any/v1/message:send"),
    "AG-UI": ("POST", "/agui"),
}

log = logging.getLogger(__name__)


def warn_of_open_routes(app: Any) -> None:
    """Log what any valid token may use, whatever its scopes."""
    for place in places_within(app):
        open_routes = [
            name
            for name, (method, path) in _EXAMPLES.items()
            if serves(place.app, method, path)
            and not any(_asks_for_scopes(guard, place, method, path) for guard in place.guards)
        ]
        if place.guards and open_routes:
            log.warning(
                "Any valid token, whatever its scopes, may use %s of the AgentOS at %s. agno checks"
                " scopes of an AgentOS(…, **verifier.auth()) that is not mounted in another app;"
                " JWTMiddleware needs authorization=True, and scope_mappings for the rest.",
                ", ".join(open_routes),
                place.path or "/",
            )


def missing_scopes_at(app: Any) -> Callable[[Scope], Sequence[str]]:
    """Returns the scopes for lack of which agno refused a request, by its ASGI scope.

    None where something other than scopes decides, such as roles with `roles_claim` (agno 3.1).
    """
    if not scopes_decide(app):
        return lambda _: ()
    roots = {f"{guard.path}/" for place in places_within(app) for guard in place.guards}

    def missing(scope: Scope) -> Sequence[str]:
        path = path_in_app(scope)
        root = max((each for each in roots if path.startswith(each)), key=len, default="/")
        return _missing_scopes(scope["state"], path[len(root) - 1 :])

    return missing


def narrowing(stock: Callable[..., bool]) -> Callable[[str, str | None, Any], str]:
    """Returns the narrowest scope that satisfies a requirement about a resource and its id.

    `stock` is `has_required_scopes` of the installed agno.
    """
    # Before 3.1, below /agents/web every required scope means one of that agent.
    rewrites_every_family = stock(["agents:web:read"], ["sessions:read"], "agents", "web")

    def narrowest(required: str, resource_type: str | None, resource_id: Any) -> str:
        family, _, action = required.partition(":")
        is_of_type = rewrites_every_family or family == resource_type
        if resource_type and resource_id and is_of_type and action and ":" not in action:
            return f"{resource_type}:{resource_id}:{action}"
        return required

    return narrowest


def scopes_decide(app: Any) -> bool:
    """Whether agno decides by the scopes of tokens alone, not by roles or a provider of its own."""
    states = (place.app.state for place in places_within(app))
    providers = filter(None, (getattr(it, "authorization_provider", None) for it in states))
    return all(getattr(each, "enforces_token_scopes", False) for each in providers)


def require_scopes_decide(app: Any) -> None:
    """`InvalidConfiguration` where the scopes of a token do not say what was used."""
    if not scopes_decide(app):
        raise InvalidConfiguration(
            "report_usage=… counts scopes, but this AgentOS decides by roles or a provider of its"
            " own: remove report_usage, or roles_claim and authorization_provider."
        )


def _missing_scopes(state: Mapping[str, Any], path: str) -> Sequence[str]:
    """The scopes that agno required of a refused request; none if its token has them."""
    from agno.os.scopes import get_resource_context_from_path, has_required_scopes  # noqa: PLC0415 - an extra

    required, held = state.get("required_scopes"), state.get("scopes")
    if not isinstance(required, list) or not isinstance(held, list):
        return ()
    # Not what observes it: the decision about the request is counted already.
    stock, about = inspect.unwrap(has_required_scopes), get_resource_context_from_path(path)
    known = [scope for scope in required if is_scope(scope)]
    if stock(held, known, *about):
        return ()
    named = ((scope, narrowing(stock)(scope, *about)) for scope in known)
    return [exact if is_scope(exact) else scope for scope, exact in named]


def _asks_for_scopes(guard: Guard, place: MountedApp, method: str, path: str) -> bool:
    from agno.os.scopes import get_required_scopes_for_route  # noqa: PLC0415 - an extra

    # agno 2 looks up the whole path, even if the guarded app is mounted in another.
    starts_at_guard = not version("agno").startswith("2.")
    prefix = place.path.removeprefix(guard.path) if starts_at_guard else place.path
    return bool(get_required_scopes_for_route(_scopes_of(guard), method, prefix + path))


def _scopes_of(guard: Guard) -> dict[str, list[str]]:
    from agno.os.middleware.jwt import JWTMiddleware  # noqa: PLC0415 - an extra
    from agno.os.scopes import get_default_scope_mappings  # noqa: PLC0415 - an extra

    mappings: Mapping[str, list[str]] | None = guard.settings.get("scope_mappings")
    if not guard.settings.get("authorization", mappings is not None):
        return dict(mappings or {})
    if guard.middleware is not JWTMiddleware and guard.middleware.__module__ == "agno.os.app":
        mappings = getattr(guard.app.state, "scope_mappings", mappings)
    return {**get_default_scope_mappings(), **(mappings or {})}
