"""Spans of requests, of the steps of a token, and of the database."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, cast

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from issuer import __version__
from issuer.background.periodic import SECONDS_FOR_OTHERS
from issuer.telemetry.otel.requests import TracedRequests
from issuer.telemetry.tracing import Application, F, Tracing


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

    def step(self, name: str, function: F) -> F:
        around = _around_coroutine if iscoroutinefunction(function) else _around
        return cast(F, around(function, lambda: self._span(name, SpanKind.INTERNAL, {})))

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str] = {}) -> Iterator[None]:
        if not _is_recorded():
            yield
            return
        with self._span(name, SpanKind.CLIENT if attributes else SpanKind.INTERNAL, attributes):
            yield

    def stop(self) -> None:
        # In a thread, since the library waits for a collector that hangs.
        stopping = threading.Thread(target=self._provider.shutdown, daemon=True)
        stopping.start()
        stopping.join(SECONDS_FOR_OTHERS)

    @contextmanager
    def _span(self, name: str, kind: SpanKind, attributes: Mapping[str, str]) -> Iterator[Span]:
        # The message of an exception may repeat what a caller sent: only its kind is kept.
        with self._tracer.start_as_current_span(
            name,
            kind=kind,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_attribute("error.type", _kind_of(error))
                span.set_status(Status(StatusCode.ERROR))
                raise


def _around(
    function: Callable[..., Any], span: Callable[[], AbstractContextManager[Span]]
) -> Callable[..., Any]:
    @wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        if not _is_recorded():
            return function(*args, **kwargs)
        with span():
            return function(*args, **kwargs)

    return traced


def _around_coroutine(
    function: Callable[..., Any], span: Callable[[], AbstractContextManager[Span]]
) -> Callable[..., Any]:
    @wraps(function)
    async def traced(*args: Any, **kwargs: Any) -> Any:
        if not _is_recorded():
            return await function(*args, **kwargs)
        with span():
            return await function(*args, **kwargs)

    return traced


def _is_recorded() -> bool:
    """Whether there is a request whose trace was sampled.

    Background jobs have none: their spans would be traces of their own.
    """
    return trace.get_current_span().is_recording()


def _kind_of(error: Exception) -> str:
    """The code of an error of the protocol, else the name of its class."""
    code = getattr(error, "error", None)
    return code if isinstance(code, str) and code else type(error).__qualname__
