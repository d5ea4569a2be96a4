"""Scopes as agno requires them: routes that require none, and why a request was refused."""

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from issuer.agentos.agno_app import Guard, MountedApp, places_within, serves
from issuer.agentos.errors import InvalidConfiguration
from issuer.agentos.protected_resource import is_scope

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


def missing_scopes_at(app: Any) -> Callable[[Mapping[str, Any]], Sequence[str]]:
    """Returns the scopes for lack of which agno refused a request, by the state of the request.

    None where something other than scopes decides, such as roles with `roles_claim` (agno 3.1).
    """
    return _missing_scopes if scopes_decide(app) else lambda _: ()


def scopes_decide(app: Any) -> bool:
    """Whether agno decides by the scopes of tokens alone, not by roles or a provider of its own."""
    states = (place.app.state for place in places_within(app))
    providers = [each for s in states if (each := getattr(s, "authorization_provider", None))]
    return all(getattr(each, "enforces_token_scopes", False) for each in providers)


def require_scopes_decide(app: Any) -> None:
    """`InvalidConfiguration` where the scopes of a token do not say what was used."""
    if not scopes_decide(app):
        raise InvalidConfiguration(
            "report_usage=… counts scopes, but this AgentOS decides by roles or a provider of its"
            " own: remove report_usage, or roles_claim and authorization_provider."
        )


def _missing_scopes(state: Mapping[str, Any]) -> Sequence[str]:
    """The scopes that agno required of a refused request; none if its token has them."""
    from agno.os.scopes import has_required_scopes  # noqa: PLC0415

    required, held = state.get("required_scopes"), state.get("scopes")
    if not isinstance(required, list) or not isinstance(held, list):
        return ()
    known = [scope for scope in required if is_scope(scope)]
    # Not what observes it: the decision about the request is counted already.
    return () if inspect.unwrap(has_required_scopes)(held, known) else known


def _asks_for_scopes(guard: Guard, place: MountedApp, method: str, path: str) -> bool:
    from agno.os.scopes import get_required_scopes_for_route  # noqa: PLC0415

    # agno 2 looks up the whole path, even if the guarded app is mounted in another.
    starts_at_guard = not version("agno").startswith("2.")
    prefix = place.path.removeprefix(guard.path) if starts_at_guard else place.path
    return bool(get_required_scopes_for_route(_scopes_of(guard), method, prefix + path))


def _scopes_of(guard: Guard) -> dict[str, list[str]]:
    """The map from routes to scopes, built as the middleware builds it."""
    from agno.os.middleware.jwt import JWTMiddleware  # noqa: PLC0415
    from agno.os.scopes import get_default_scope_mappings  # noqa: PLC0415

    mappings: Mapping[str, list[str]] | None = guard.settings.get("scope_mappings")
    if not guard.settings.get("authorization", mappings is not None):
        return dict(mappings or {})
    if guard.middleware is not JWTMiddleware and guard.middleware.__module__ == "agno.os.app":
        mappings = getattr(guard.app.state, "scope_mappings", mappings)
    return {**get_default_scope_mappings(), **(mappings or {})}
