"""Where agno asks a token for no scope: it looks each request up in a map, and lets others pass."""

import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from issuer.agentos.agno_app import Guard, Place, mounted_by, places_within

_ASKED = {
    "sessions, memories, config and the like": ("GET", "/sessions"),
    "A2A": ("POST", "/a2a/agents/any/v1/message:send"),
    "AG-UI": ("POST", "/agui"),
}

log = logging.getLogger(__name__)


def warn_of_open_routes(app: Any) -> None:
    """Say what every holder of a token may use, whatever its scopes."""
    for place in places_within(app):
        if place.guards and (found := _open_at(place)):
            log.warning(
                "Any token is enough, whatever its scopes, for %s of the AgentOS at %s. agno knows"
                " scopes for an AgentOS(…, **verifier.auth()) that is not mounted in another app;"
                " JWTMiddleware needs authorization=True, and scope_mappings for the rest.",
                ", ".join(found),
                place.path or "/",
            )


def _open_at(place: Place) -> list[str]:
    return [
        name
        for name, (method, path) in _ASKED.items()
        if _serves(place.app, method, path)
        and not any(_asks_for_scopes(guard, place, method, path) for guard in place.guards)
    ]


def _serves(app: Any, method: str, path: str) -> bool:
    request = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    return any(
        mounted_by(route) is None and route.matches(dict(request))[0].name == "FULL"
        for route in app.routes
    )


def _asks_for_scopes(guard: Guard, place: Place, method: str, path: str) -> bool:
    from agno.os.scopes import get_required_scopes_for_route  # noqa: PLC0415

    # agno 2 looks up the whole path, also where the guarded app is mounted in another.
    starts_at_guard = not version("agno").startswith("2.")
    seen = place.path.removeprefix(guard.path) if starts_at_guard else place.path
    return bool(get_required_scopes_for_route(_scopes_of(guard), method, seen + path))


def _scopes_of(guard: Guard) -> dict[str, list[str]]:
    """As the middleware puts its map together."""
    from agno.os.middleware.jwt import JWTMiddleware  # noqa: PLC0415
    from agno.os.scopes import get_default_scope_mappings  # noqa: PLC0415

    given: Mapping[str, list[str]] | None = guard.settings.get("scope_mappings")
    if not guard.settings.get("authorization", given is not None):
        return dict(given or {})
    if guard.middleware is not JWTMiddleware and guard.middleware.__module__ == "agno.os.app":
        given = getattr(guard.app.state, "scope_mappings", given)
    return {**get_default_scope_mappings(), **(given or {})}
