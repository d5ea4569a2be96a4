"""The span of a request, by the semantic conventions of OpenTelemetry for HTTP servers."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.trace import (
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from issuer.telemetry.logs import address_of, client_of, note_trace, path_of, route_of
from issuer.telemetry.tracing import Application

Scope: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Any], Awaitable[None]]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MAX_HEADER = 512  # as W3C Trace Context §3.3.1.5 says of `tracestate`
_MAX_USER_AGENT = 256
_FIRST_SERVER_ERROR = 500
_PROBES = ("/healthz", "/readyz", "/metrics")
_PROPAGATOR = TraceContextTextMapPropagator()


class TracedRequests:
    """Pure ASGI, around everything else."""

    def __init__(self, app: Application, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith(_PROBES):
            await self._app(scope, receive, send)
            return
        parent = _parent(scope)
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        span = self._tracer.start_span(method, parent, SpanKind.SERVER, _attributes(scope, method))
        note_trace(scope, format_trace_id(span.get_span_context().trace_id))
        attached = contexts.attach(set_span_in_context(span, parent))
        status = 0

        async def send_noting(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            _finish(span, scope, method, status)
            contexts.detach(attached)


def _parent(scope: Scope) -> Context:
    """The span of the caller (W3C Trace Context); none if it is sent twice, or too long."""
    carrier: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name in {b"traceparent", b"tracestate"}:
            text = name.decode()
            if text in carrier or len(value) > _MAX_HEADER:
                return Context()
            carrier[text] = value.decode("latin-1")
    return _PROPAGATOR.extract(carrier, Context()) if "traceparent" in carrier else Context()


def _attributes(scope: Scope, method: str) -> dict[str, str | int]:
    # No query, which may hold anything.
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "url.scheme": scope["scheme"],
        "url.path": path_of(scope),
        "network.protocol.version": scope["http_version"],
    }
    if address := address_of(scope):
        attributes["client.address"] = address
    for name, value in scope["headers"]:
        if name == b"user-agent":
            attributes["user_agent.original"] = value[:_MAX_USER_AGENT].decode("latin-1")
    return attributes


def _finish(span: Span, scope: Scope, method: str, status: int) -> None:
    if route := route_of(scope):
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
    if client := client_of(scope):
        span.set_attribute("issuer.client", client)
    if status:
        span.set_attribute("http.response.status_code", status)
    if not status or status >= _FIRST_SERVER_ERROR:
        span.set_attribute("error.type", str(status or "client_disconnected"))
        span.set_status(Status(StatusCode.ERROR))
    span.end()
