"""What the standard variables of OpenTelemetry ask for."""

import sys
from datetime import timedelta

import pytest

from issuer.telemetry.otel.environment import METRICS, TRACES, export_interval, wants
from tests.captured_logs import capture_logs
from tests.rows import rows

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@rows(
    ("environment", "traces", "metrics"),
    [
        ({}, False, False),
        ({"OTEL_SERVICE_NAME": "issuer"}, False, False),
        (ENDPOINT, True, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False, False),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True, False),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:4318/m"}, False, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True, False),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False, True),
        ({**ENDPOINT, "OTEL_METRICS_EXPORTER": "none"}, True, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, False, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "false"}, True, True),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True, True),
    ],
)
def test_a_signal_is_sent_if_a_variable_asks_for_it(
    environment: dict[str, str], traces: bool, metrics: bool
):
    with capture_logs() as lines:
        assert (wants(TRACES, environment), wants(METRICS, environment)) == (traces, metrics)
    assert lines == []


@pytest.mark.parametrize(
    ("more", "event", "remedy"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "otel_protocol_unsupported", "http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "otel_exporter_unsupported", "otlp or none"),
    ],
)
def test_what_is_not_supported_is_off_and_the_log_says_so(
    more: dict[str, str], event: str, remedy: str
):
    with capture_logs() as lines:
        assert not wants(TRACES, {**ENDPOINT, **more})
    assert [line["event"] for line in lines] == [event]
    assert remedy in lines[0]["remedy"]


def test_a_protocol_of_one_signal_comes_first():
    of_traces = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}
    environment = {**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", **of_traces}
    assert wants(TRACES, environment)
    assert not wants(METRICS, environment)


@pytest.mark.parametrize(
    "missing", ["opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"]
)
def test_without_the_libraries_it_is_off_and_the_log_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, missing: str
):
    for name in [each for each in sys.modules if each.startswith(f"{missing}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with capture_logs() as lines:
        assert not wants(TRACES, ENDPOINT)
    assert lines[0]["event"] == "otel_not_installed"
    assert "pip install 'agentos-issuer[otel]'" in lines[0]["remedy"]


@rows(
    ("text", "interval"),
    [("", timedelta(seconds=60)), ("5000", timedelta(seconds=5))]
    + [(wrong, timedelta(seconds=60)) for wrong in ("0", "-1", "soon", "1e3", "9" * 30, "٣٠٠")],
)
def test_metrics_are_sent_at_the_interval_of_the_variable(text: str, interval: timedelta):
    assert export_interval({"OTEL_METRIC_EXPORT_INTERVAL": text}) == interval
