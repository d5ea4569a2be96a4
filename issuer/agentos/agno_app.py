"""Makes an AgentOS verify tokens, inspects which parts of its app do, and starts mounted ones."""

import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from inspect import signature
from typing import Any

from issuer.agentos.errors import InvalidConfiguration
from issuer.agentos.key_fetching import TokenPlaces

_KEYS = ("jwks_file", "verification_keys", "secret_key")
_KEYS_IN_ENVIRONMENT = ("JWT_JWKS_FILE", "JWT_VERIFICATION_KEY")
_MCP_PATH = "/mcp"
Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


def arguments(
    verification: Mapping[str, Any], pins: Mapping[str, Any], more: Mapping[str, Any]
) -> dict[str, Any]:
    """Keyword arguments for `AgentOS`: one object from agno 3.1 on, two before.

    Every agno supports `verification`; of `pins`, those this agno supports are used. Each of
    `more` goes to that object or to `AgentOS`; `InvalidConfiguration` if this agno has no such one.
    """
    from agno import os as agno_os  # noqa: PLC0415 - an extra
    from agno.os.config import AuthorizationConfig  # noqa: PLC0415 - an extra

    is_one_object = hasattr(agno_os, "Authorization")
    authorization: Any = agno_os.Authorization if is_one_object else AuthorizationConfig
    known = signature(authorization).parameters
    direct = {name: value for name, value in more.items() if name not in known}
    if unknown := sorted(direct.keys() - signature(agno_os.AgentOS).parameters.keys()):
        raise InvalidConfiguration(f"The installed agno does not support {', '.join(unknown)}.")
    nested = {name: value for name, value in {**pins, **more}.items() if name in known}
    built = authorization(**{**verification, **nested})
    if is_one_object:
        return {"authorization": built, **direct}
    return {"authorization": True, "authorization_config": built, **direct}


@dataclass(frozen=True, slots=True)
class Guard:
    """A middleware of agno that verifies tokens, on the app that is mounted at `path`."""

    path: str
    app: Any
    middleware: type
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MountedApp:
    """An app, its `path` within the outermost app, and its guards, outermost first."""

    path: str
    app: Any
    guards: tuple[Guard, ...]


def places_within(app: Any, path: str = "", guards: tuple[Guard, ...] = ()) -> Iterator[MountedApp]:
    """`app` and every app mounted in it."""
    guards = (*guards, *_guards_on(app, path))
    yield MountedApp(path, app, guards)
    for route in getattr(app, "routes", ()):
        if (inner := mounted_app(route)) is not None:
            yield from places_within(inner, path + getattr(route, "path", ""), guards)


def mounted_app(route: Any) -> Any:
    """The app that `route` mounts; None for other routes."""
    inner = getattr(route, "app", None)
    is_app = getattr(inner, "routes", None) is not None and hasattr(inner, "state")
    return inner if is_app else None


def require_authentication(app: Any) -> None:
    """`InvalidConfiguration` for an app that requires no token, or accepts unverified ones."""
    guards = [guard for place in places_within(app) for guard in place.guards]
    if any(guard.settings.get("validate") is False for guard in guards):
        raise InvalidConfiguration("validate=False makes agno accept every token unverified.")
    if not guards:
        raise InvalidConfiguration(
            "This app verifies no tokens: use AgentOS(…, **verifier.auth()), or"
            " app.add_middleware(JWTMiddleware, jwks_file=verifier.jwks_file, authorization=True)."
        )


def token_places(app: Any, cookie: str | None) -> TokenPlaces:
    headers, cookies = {"authorization"}, {cookie} if cookie else set()
    for guard in (guard for place in places_within(app) for guard in place.guards):
        headers.add(str(guard.settings.get("token_header_key", "authorization")))
        if str(getattr(guard.settings.get("token_source"), "value", "header")) != "header":
            cookies.add(str(guard.settings.get("cookie_name", "access_token")))
    return TokenPlaces(headers, cookies)


def resource_paths(app: Any) -> set[str]:
    """Paths of what requires a token: each guarded app, and each MCP endpoint within them."""
    places = [place for place in places_within(app) if place.guards]
    roots = {guard.path for place in places for guard in place.guards}
    mcp = {place.path + path for place in places for path in _mcp_paths(place.app)}
    return roots | (mcp or {root + _MCP_PATH for root in roots})


def require_unserved(app: Any, paths: Iterable[str]) -> None:
    """`InvalidConfiguration` if a part of `app` already answers at one of `paths`."""
    for place in places_within(app):
        for path in paths:
            if serves(place.app, "GET", path.removeprefix(place.path)):
                raise InvalidConfiguration(
                    f"The AgentOS already answers at {path}, as AgentOS(mcp_auth=…) does: remove"
                    " mcp_auth, or url=… of the Verifier."
                )


def serves(app: Any, method: str, path: str) -> bool:
    """Whether a route of `app` itself answers, not of an app mounted in it."""
    request = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    return any(
        mounted_app(route) is None and route.matches(dict(request))[0].name == "FULL"
        for route in app.routes
    )


def _mcp_paths(app: Any) -> list[str]:
    """Where `app` itself answers as an MCP server; none if it does not.

    From agno 3.0 on by `MCPConfig(path=…, path_aliases=…)`, while fastmcp itself stays at `/mcp`.
    """
    for entry in getattr(app, "user_middleware", ()):
        if getattr(entry.cls, "__name__", "") == "MCPRoutingMiddleware":
            config = entry.kwargs.get("config")
            return [getattr(config, "path", _MCP_PATH), *getattr(config, "path_aliases", ())]
    path = getattr(app.state, "path", None)
    return [path] if isinstance(path, str) and hasattr(app.state, "fastmcp_server") else []


def close_sockets(app: Any, jwks_file: str, algorithm: str) -> None:
    """Give every WebSocket a validator before the first request.

    agno does so only if its own middleware is on the app of the socket itself. With a subclass,
    or with the middleware on an outer app, sockets need no token until the first HTTP request,
    or ever.
    """
    from agno.os.middleware.jwt import JWTValidator  # noqa: PLC0415 - an extra

    names = ("verification_keys", "scopes_claim", "user_id_claim", "session_id_claim")
    for place in places_within(app):
        state, settings = place.app.state, place.guards[-1].settings if place.guards else {}
        if getattr(state, "jwt_validator", None) is not None:
            continue
        state.jwt_validator = JWTValidator(
            jwks_file=settings.get("jwks_file") or jwks_file,
            algorithm=settings.get("algorithm", algorithm),
            **{name: settings[name] for name in names if name in settings},
        )
        state.jwt_verify_audience = bool(settings.get("verify_audience", False))
        state.jwt_audience = settings.get("audience")
        if settings.get("admin_scope"):
            state.admin_scope = settings["admin_scope"]
        state.user_isolation_enabled = bool(settings.get("user_isolation", False))


def _guards_on(app: Any, path: str) -> Iterator[Guard]:
    """agno's middleware and its subclasses, unless configured with a security key only."""
    from agno.os.middleware.jwt import JWTMiddleware  # noqa: PLC0415 - an extra

    for entry in getattr(app, "user_middleware", ()):
        if isinstance(entry.cls, type) and issubclass(entry.cls, JWTMiddleware):
            settings = dict(entry.kwargs)
            if any(map(settings.get, _KEYS)) or any(map(os.environ.get, _KEYS_IN_ENVIRONMENT)):
                yield Guard(path, app, entry.cls, settings)


def start_with(app: Any) -> None:
    """Run the lifespan of each AgentOS mounted in `app` within that of `app`.

    Starlette runs only the lifespan of the outermost app. Without its own, an AgentOS answers
    500 at `/mcp`, and has no scheduler. A lifespan that `app` already runs is not run again.
    """
    if getattr(app, "router", None) is None:
        return
    inner_apps = [each.app for each in places_within(app) if each.app is not app]
    mounted = {id(each): each for each in inner_apps if hasattr(each.state, "agent_os_id")}.values()
    for inner in mounted:
        once = _once(inner.router.lifespan_context)
        if app.router.lifespan_context is inner.router.lifespan_context:
            app.router.lifespan_context = once
        inner.router.lifespan_context = once
    if mounted:
        app.router.lifespan_context = _with(app.router.lifespan_context, list(mounted))


def _once(lifespan: Lifespan) -> Lifespan:
    """`lifespan`, or nothing while it is running: MCP's session manager starts only once."""
    is_running = False

    @asynccontextmanager
    async def run(app: Any) -> AsyncIterator[Any]:
        nonlocal is_running
        if is_running:
            yield None
            return
        is_running = True
        try:
            async with lifespan(app) as state:
                yield state
        finally:
            is_running = False

    return run


def _with(lifespan: Lifespan, mounted: list[Any]) -> Lifespan:
    @asynccontextmanager
    async def run(app: Any) -> AsyncIterator[Any]:
        async with AsyncExitStack() as running:
            state = await running.enter_async_context(lifespan(app))
            for inner in mounted:
                await running.enter_async_context(inner.router.lifespan_context(inner))
            yield state

    return run
