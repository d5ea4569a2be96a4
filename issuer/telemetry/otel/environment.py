"""What the `OTEL_…` variables ask for, and which server sends. The library reads the others."""

import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING

from issuer import __version__
from issuer.telemetry.logs import get_logger

if TYPE_CHECKING:  # imported only where something is sent
    from opentelemetry.sdk.resources import Resource

TRACES, METRICS = "TRACES", "METRICS"
_EXPORT_METRICS_EVERY = timedelta(seconds=60)
_MODULES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
_SERVICE_NAME, _INSTANCE = "service.name", "service.instance.id"

log = get_logger(__name__)


def wants(signal: str, environment: Mapping[str, str]) -> bool:
    """Whether a signal is to be sent: one of `TRACES`, `METRICS`.

    It is if an endpoint or its exporter is set. What cannot be done is logged: telemetry must not
    keep a server from starting.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get(f"OTEL_{signal}_EXPORTER", "").strip()
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    is_asked = exporter or any(environment.get(name, "").strip() for name in endpoints)
    if exporter == "none" or not is_asked:
        return False
    return _is_possible(signal, exporter, environment)


def export_interval(environment: Mapping[str, str]) -> timedelta:
    """How often metrics are sent."""
    text = environment.get("OTEL_METRIC_EXPORT_INTERVAL", "").strip()
    if not text:
        return _EXPORT_METRICS_EVERY
    if not text.isascii() or not text.isdigit() or int(text) not in range(100, 86_400_001):
        remedy = "Set OTEL_METRIC_EXPORT_INTERVAL to milliseconds, at least 100."
        log.warning("otel_interval_invalid", remedy=remedy)
        return _EXPORT_METRICS_EVERY
    return timedelta(milliseconds=int(text))


def _is_possible(signal: str, exporter: str, environment: Mapping[str, str]) -> bool:
    if exporter not in {"", "otlp"}:
        remedy = f"Set OTEL_{signal}_EXPORTER to otlp or none."
        log.warning("otel_exporter_unsupported", remedy=remedy)
        return False
    names = (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    protocol = next((environment[name] for name in names if environment.get(name)), "")
    if protocol not in {"", "http/protobuf"}:
        remedy = f"Set {names[0]} to http/protobuf; collectors receive it on port 4318."
        log.warning("otel_protocol_unsupported", remedy=remedy)
        return False
    if not _is_installed():
        log.warning("otel_not_installed", remedy="Run pip install 'agentos-issuer[otel]'.")
        return False
    return True


def _is_installed() -> bool:
    try:
        return all(map(find_spec, _MODULES))
    except ModuleNotFoundError:  # of a package that contains it
        return False


def server_resource(environment: Mapping[str, str]) -> "Resource":
    """Each process is an instance of its own: a sum of counters of several would go down."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra

    given = environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = {pair.partition("=")[0].strip() for pair in given.split(",")}
    attributes = {"service.version": __version__}
    if "OTEL_SERVICE_NAME" not in environment and _SERVICE_NAME not in named:
        attributes[_SERVICE_NAME] = "agentos-issuer"
    if _INSTANCE not in named:
        attributes[_INSTANCE] = f"{socket.gethostname()}:{os.getpid()}"
    return Resource.create(attributes)
