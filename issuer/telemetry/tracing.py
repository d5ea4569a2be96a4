"""What a trace of a request has: its span, one for each step of a token, those of the database."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

from issuer.telemetry.metrics import Metrics

# An ASGI application, for which no package below the interfaces imports Starlette.
Application: TypeAlias = Callable[..., Any]

_NOTHING: AbstractContextManager[None] = nullcontext()


class Tracing:
    """Traces nothing: for a server without OpenTelemetry, and for commands."""

    is_on = False

    def requests(self, application: Application) -> Application:
        """The application, with a span around each request."""
        return application

    def span(self, _name: str, _attributes: Mapping[str, str] = {}) -> AbstractContextManager[None]:
        """A span within that of the request; nothing outside of a request."""
        return _NOTHING

    def start(self) -> None:
        """Nothing: spans are sent as they end."""

    def stop(self) -> None:
        """Send what is waiting, for a few seconds at most."""


@dataclass(frozen=True)
class Telemetry:
    """Nothing by default. Only one of several workers has `write_gauges`."""

    metrics: Metrics = field(default_factory=Metrics)
    tracing: Tracing = field(default_factory=Tracing)
    write_gauges: Callable[[], None] | None = None
    export_metrics: Callable[[], None] | None = None
    export_every: timedelta = timedelta(0)
