"""Spans of requests, of the steps of a token, and of the database."""

import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from issuer import __version__
from issuer.telemetry.logs import TRACE, address_of, client_of, path_of, route_of
from issuer.telemetry.metrics import HTTP_METHODS
from issuer.telemetry.tracing import Application, Tracing

Scope: TypeAlias = MutableMapping[str, Any]

_SECONDS_TO_STOP = 1.0  # a collector may hang
_MAX_HEADER = 512  # as W3C Trace Context §3.3.1.5 says of `tracestate`
_MAX_USER_AGENT = 256
_FIRST_SERVER_ERROR = 500
_PROBES = ("/healthz", "/readyz", "/metrics")
_PROPAGATOR = TraceContextTextMapPropagator()


class TracedRequests:
    """Pure ASGI, around everything else."""

    def __init__(self, app: Application, tracer: trace.Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(
        self, scope: Scope, receive: Any, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http" or scope["path"].endswith(_PROBES):
            await self._app(scope, receive, send)
            return
        parent = _parent(scope)
        method = scope["method"] if scope["method"] in HTTP_METHODS else "_OTHER"
        attributes = _attributes(scope, method)
        span = self._tracer.start_span(method, parent, trace.SpanKind.SERVER, attributes)
        scope[TRACE] = trace.format_trace_id(
            span.get_span_context().trace_id
        )  # for lines of the log
        attached = contexts.attach(trace.set_span_in_context(span, parent))
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


def _finish(span: trace.Span, scope: Scope, method: str, status: int) -> None:
    if route := route_of(scope):
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
    if client := client_of(scope):
        span.set_attribute("issuer.client", client)
    if status:
        span.set_attribute("http.response.status_code", status)
    if not status or status >= _FIRST_SERVER_ERROR:
        span.set_attribute("error.type", str(status or "client_disconnected"))
        span.set_status(trace.Status(trace.StatusCode.ERROR))
    span.end()


class OpenTelemetryTracing(Tracing):
    """Sends spans in a thread of its own. If the collector is slow or away, spans are dropped."""

    is_on = True

    def __init__(self, resource: Resource) -> None:
        # The sampler is that of OTEL_TRACES_SAMPLER, by default `parentbased_always_on`.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("issuer", __version__)

    def requests(self, application: Application) -> Application:
        return TracedRequests(application, self._tracer)

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str] = {}) -> Iterator[None]:
        # Background jobs have no request: their spans would be traces of their own.
        if not trace.get_current_span().is_recording():
            yield
            return
        # The message of an exception may repeat what a caller sent: only its kind is kept.
        with self._tracer.start_as_current_span(
            name,
            kind=trace.SpanKind.CLIENT if attributes else trace.SpanKind.INTERNAL,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                # The code of an error of the protocol, else the name of its class.
                code = getattr(error, "error", None)
                kind = code if isinstance(code, str) and code else type(error).__qualname__
                span.set_attribute("error.type", kind)
                span.set_status(trace.Status(trace.StatusCode.ERROR))
                raise

    def stop(self) -> None:
        # In a thread, since the library waits for a collector that hangs.
        stopping = threading.Thread(target=self._provider.shutdown, daemon=True)
        stopping.start()
        stopping.join(_SECONDS_TO_STOP)
