"""The telemetry of a server: from its settings, and from the standard `OTEL_…` variables."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from issuer.background.periodic import SECONDS_FOR_OTHERS, Periodic
from issuer.settings import Settings
from issuer.telemetry.metrics import Metrics
from issuer.telemetry.otel import environment as otel
from issuer.telemetry.telemetry import Telemetry
from issuer.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from issuer.telemetry.prometheus import PrometheusMetrics

# Imports stand where they are used: the libraries need memory and time, and those of Prometheus
# read the environment on import.


def build_telemetry(settings: Settings, environment: Mapping[str, str] | None = None) -> Telemetry:
    """Only what something may read. `environment` is that of the process by default."""
    environment = os.environ if environment is None else environment
    sends_metrics = otel.wants(otel.METRICS, environment)
    if settings.metrics_token is None and not sends_metrics:
        return Telemetry(Metrics(), _tracing(environment))
    from issuer.telemetry.prometheus import PrometheusMetrics  # noqa: PLC0415

    metrics = PrometheusMetrics()
    sending = _sending(metrics, environment) if sends_metrics else None
    return Telemetry(metrics, _tracing(environment), sending)


def _tracing(environment: Mapping[str, str]) -> Tracing:
    if not otel.wants(otel.TRACES, environment):
        return Tracing()
    from issuer.telemetry.otel.resource import server_resource  # noqa: PLC0415
    from issuer.telemetry.otel.traces import OpenTelemetryTracing  # noqa: PLC0415

    return OpenTelemetryTracing(server_resource(environment))


def _sending(metrics: "PrometheusMetrics", environment: Mapping[str, str]) -> Periodic:
    from issuer.telemetry.otel.metrics import MetricExport  # noqa: PLC0415
    from issuer.telemetry.otel.resource import server_resource  # noqa: PLC0415

    export = MetricExport(metrics.of_this_process, server_resource(environment))
    interval = otel.export_interval(environment)
    return Periodic("otel-metrics", interval, export.export, SECONDS_FOR_OTHERS)
