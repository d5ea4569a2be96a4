"""Layers around the application, all of them pure ASGI."""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from secrets import token_hex
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from issuer.background.workers import IN_SCOPE, present_caller
from issuer.http.requests import values_of
from issuer.telemetry.logs import ROUTE, get_logger, note_route, request_id, request_scope, route_of

if TYPE_CHECKING:  # imported where an application is built
    from starlette.applications import Starlette

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

# Called after each request: its method, the template of its path, its status, the seconds. The
# template is empty if no route matched; without a status, the caller got no answer.
Observer: TypeAlias = Callable[[str, str, int | None, float], None]

# An endpoint of an interface: the application that sends its answer.
Endpoint: TypeAlias = Callable[[Request], Awaitable[ASGIApp]]

# Scripts send no cookies with their requests (Fetch §3.2).
FOR_ANY_ORIGIN = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "DPoP-Nonce, Retry-After, WWW-Authenticate, X-Request-Id"),
)

log = get_logger(__name__)


def server_error(_: Scope) -> Response:
    """`server_error` as in RFC 6749 §4.1.2.1, without the cause."""
    return JSONResponse({"error": "server_error"}, 500, headers={"Cache-Control": "no-store"})


class RequestContext:
    """Outermost: sets the request id and `headers`, answers unhandled errors by `unforeseen`."""

    def __init__(
        self,
        app: ASGIApp,
        unforeseen: Callable[[Scope], Response] = server_error,
        route: str = "",
        observers: Sequence[Observer] = (),
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self._app = app
        self._headers = ((b"x-content-type-options", b"nosniff"), *headers)
        self._unforeseen = unforeseen
        self._route = route
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = values_of(scope["headers"], b"x-request-id")
        is_fit = sent and _REQUEST_ID.fullmatch(sent[0])
        current = sent[0].decode() if is_fit else token_hex(16)
        request_id.set(current)
        request_scope.set(scope)
        scope[ROUTE] = self._route
        began, status = perf_counter() if self._observers else 0.0, None

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", current.encode()),
                    *self._headers,
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            log.info("client_disconnected")
        except Exception:
            log.exception("unexpected_error")
            if status is not None:
                raise
            await self._unforeseen(scope)(scope, receive, send_with_headers)
        finally:
            for observe in self._observers:
                observe(scope["method"], route_of(scope), status, perf_counter() - began)


def note_templates(app: ASGIApp, templates: Mapping[object, str]) -> ASGIApp:
    """Innermost: notes which route answers. `templates` are by endpoint."""

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        finally:
            note_route(templates.get(scope.get("endpoint"), ""))

    return layer


def templates_of(app: "Starlette", base: str) -> dict[object, str]:
    """The template of the path of each plain route, without `base`, by endpoint."""
    routes = (route for route in app.routes if isinstance(route, Route))
    return {route.endpoint: route.path_format.removeprefix(base) or "/" for route in routes}


def layer_below(app: ASGIApp, prefix: str, layer: Callable[[ASGIApp], ASGIApp]) -> ASGIApp:
    """HTTP requests whose path starts with `prefix` also pass `layer`."""
    layered = layer(app)

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        is_below = scope["type"] == "http" and scope["path"].startswith(prefix)
        await (layered if is_below else app)(scope, receive, send)

    return choose


def note_caller(app: ASGIApp) -> ASGIApp:
    """Queries of a GET request end when its caller has left."""

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        present_caller.set(scope.get(IN_SCOPE))
        await app(scope, receive, send)

    return layer


class DirectRoutes:
    """Calls `endpoints` by path directly, `rest` for other paths.

    FastAPI's layers would take a fifth of the time of a token request. Such an endpoint answers
    every method, and raises no error that a layer should handle.
    """

    def __init__(self, rest: "BuiltOnFirstUse", endpoints: Mapping[str, RequestContext]) -> None:
        self.rest = rest
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._endpoints.get(scope.get("path", ""), self.rest)
        await answer(scope, receive, send)


class BuiltOnFirstUse:
    """The application that `build` returns, built in a thread with the first request for it."""

    def __init__(self, build: Callable[[], "Starlette"], lifespan: ASGIApp) -> None:
        self.built: Starlette | None = None
        self._build = build
        self._building = threading.Lock()
        self._lifespan = lifespan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        if (app := self.built) is None:
            app = await asyncio.to_thread(self.app)
        await app(scope, receive, send)

    def app(self) -> "Starlette":
        """Waits while another thread builds it. After an error the next use builds it again."""
        with self._building:
            if self.built is None:
                self.built = self._build()
            return self.built


class AllowedMethods:
    """An endpoint for `methods`, else 405 (RFC 9110 §15.5.6); OPTIONS for scripts of any origin."""

    def __init__(self, *methods: str, endpoint: Endpoint, is_for_scripts: bool = True) -> None:
        self._methods = methods
        self._is_for_scripts = is_for_scripts
        self._endpoint = endpoint

    @property
    def answered(self) -> set[str]:
        return {*self._methods, "OPTIONS"} if self._is_for_scripts else {*self._methods}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in self._methods:
            response = await self._endpoint(Request(scope, receive))
        else:
            response = self._other_method(is_preflight=scope["method"] == "OPTIONS")
        await response(scope, receive, send)

    def _other_method(self, *, is_preflight: bool) -> Response:
        methods = ", ".join(self._methods)
        if is_preflight and self._is_for_scripts:
            allowed = {
                "Access-Control-Allow-Origin": "*",
                "Access-Control-Allow-Methods": methods,
                "Access-Control-Allow-Headers": "authorization, content-type, dpop,"
                " mcp-protocol-version",
                "Access-Control-Max-Age": "7200",
            }
            return Response(status_code=204, headers=allowed)
        headers = {"Allow": methods, "Cache-Control": "no-store"}
        if self._is_for_scripts:
            headers.update(FOR_ANY_ORIGIN)
        answer = {"error": "invalid_request", "error_description": f"Use {self._methods[0]}."}
        return JSONResponse(answer, 405, headers=headers)
