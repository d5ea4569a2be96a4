"""Traces and metrics of a running issuer, as a collector receives them."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.builders import PASSWORD, Credentials
from tests.journeys.running_issuer import RunningIssuer, wait_until
from tests.otel.receiver import Receiver, receiving, values
from tests.rows import rows

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SECONDS = 30
SERVER = Span.SPAN_KIND_SERVER


class TracedIssuer(RunningIssuer):
    """Sends to a receiver, soon."""

    def __init__(self, folder: Path, endpoint: str, **settings: str) -> None:
        super().__init__(folder, log_requests="1", **settings)
        self.environment |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }

    def token(self, client: Credentials, traceparent: str = "", **form: str) -> httpx.Response:
        return self.http.post(
            "/oauth2/token",
            data={"grant_type": "client_credentials", **form},
            auth=(client.client_id, client.client_secret),
            headers={"traceparent": traceparent} if traceparent else {},
        )

    def line(self, answer: httpx.Response) -> dict[str, Any]:
        """What the log says about the request, once it has ended."""
        request_id = answer.headers["x-request-id"]

        def found() -> list[dict[str, Any]]:
            lines = [json.loads(line) for line in self.log.splitlines() if line[-1:] == "}"]
            of_request = [each for each in lines if each.get("request_id") == request_id]
            return [each for each in of_request if each["event"] == "request"]

        wait_until(lambda: bool(found()), SECONDS, "the request is logged")
        return found()[0]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def issuer(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracedIssuer]:
    with TracedIssuer(tmp_path_factory.mktemp("traced"), receiver.url) as issuer:
        yield issuer


def spans_of(issuer: TracedIssuer, receiver: Receiver, answer: httpx.Response) -> list[Span]:
    """Of the trace of the request, once the span of the request has come."""
    trace_id = issuer.line(answer)["trace_id"]

    def is_complete() -> bool:
        return any(span.kind == SERVER for span in receiver.trace(trace_id))

    wait_until(is_complete, SECONDS, "the trace is received")
    return receiver.trace(trace_id)


def server_span(spans: list[Span]) -> Span:
    (found,) = [span for span in spans if span.kind == SERVER]
    return found


def test_a_token_has_a_span_for_each_step(issuer: TracedIssuer, receiver: Receiver):
    client = issuer.deployment.client()
    answer = issuer.token(client, f"00-{TRACE}-{PARENT}-01")
    spans = spans_of(issuer, receiver, answer)
    request = server_span(spans)
    assert (request.name, request.trace_id.hex()) == ("POST /oauth2/token", TRACE)
    assert request.parent_span_id.hex() == PARENT
    attributes = values(request.attributes)
    assert attributes.pop("user_agent.original").startswith("python-httpx/")
    assert attributes == {
        "http.request.method": "POST",
        "http.route": "/oauth2/token",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/oauth2/token",
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "issuer.client": client.client_id,
    }
    steps = [span.name for span in spans if span.parent_span_id == request.span_id]
    assert steps == ["parse", "authenticate", "authorize", "issue", "audit"]
    assert receiver.resources[0]["service.name"] == "agentos-issuer"
    assert receiver.resources[0]["deployment.environment.name"] == "test"
    assert receiver.resources[0]["service.instance.id"]


def test_a_token_that_was_granted_before_has_fewer_steps(issuer: TracedIssuer, receiver: Receiver):
    client = issuer.deployment.client()

    def is_from_memory() -> bool:
        spans = spans_of(issuer, receiver, issuer.token(client))
        return [span.name for span in spans[:-1]] == ["parse", "issue", "audit"]

    wait_until(is_from_memory, SECONDS, "the server has seen that there is a client")


def test_statements_are_spans_without_values(issuer: TracedIssuer, receiver: Receiver):
    client = issuer.deployment.client("named-in-no-statement")
    spans = spans_of(issuer, receiver, issuer.token(client))
    (authenticate,) = [span for span in spans if span.name == "authenticate"]
    (reading,) = [span for span in spans if span.name == "database read"]
    assert reading.parent_span_id == authenticate.span_id
    statements = [span for span in spans if span.parent_span_id == reading.span_id]
    assert statements
    for statement in statements:
        attributes = values(statement.attributes)
        assert attributes["db.system.name"] == "sqlite"
        assert attributes["db.operation.name"] == statement.name == "SELECT"
        assert "named-in-no-statement" not in attributes["db.query.text"]


def test_a_refusal_says_at_which_step_and_why(issuer: TracedIssuer, receiver: Receiver):
    client = issuer.deployment.client()
    spans = spans_of(issuer, receiver, issuer.token(client, scope="agents:run"))
    assert values(server_span(spans).attributes)["http.response.status_code"] == 400
    assert server_span(spans).status.code == 0  # the caller is wrong, not the server
    (authorize,) = [span for span in spans if span.name == "authorize"]
    assert values(authorize.attributes) == {"error.type": "invalid_scope"}


def test_other_requests_have_the_template_of_their_path(issuer: TracedIssuer, receiver: Receiver):
    answer = issuer.http.get("/admin/v1/roles/reader?token=hunter2")
    request = server_span(spans_of(issuer, receiver, answer))
    assert request.name == "GET /admin/v1/roles/{name}"
    assert values(request.attributes)["url.path"] == "/admin/v1/roles/reader"
    unknown = issuer.http.request("PROPFIND", "/made-up")
    request = server_span(spans_of(issuer, receiver, unknown))
    assert request.name == "_OTHER"
    assert "http.route" not in values(request.attributes)


def test_nothing_secret_is_sent(issuer: TracedIssuer, receiver: Receiver):
    client = issuer.deployment.client(grant_types=["client_credentials", "password"])
    issuer.deployment.user("alice")
    token = issuer.token(client).json()["access_token"]
    issuer.token(client, grant_type="password", username="alice", password=PASSWORD)
    issuer.http.get("/admin/v1/roles?q=hunter2", headers={"Authorization": f"Bearer {token}"})
    for path in ("/invitation/hunter2", "/INVITATION/hunter2", "/%69nvitation%252Fhunter2"):
        issuer.http.get(path)
    last = issuer.http.get("/sign-in", headers={"Cookie": "session=hunter2"})
    spans_of(issuer, receiver, last)
    sent = b"".join(receiver.bodies)
    assert b"/oauth2/token" in sent
    for secret in (client.client_secret, token, PASSWORD, "hunter2"):
        assert secret.encode() not in sent


@rows(
    "traceparent",
    [
        "",
        "made-up",
        f"00-{'0' * 32}-{PARENT}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}",
        f"01-{TRACE}-{PARENT}-01-{'x' * 600}",
    ],
)
def test_a_wrong_traceparent_begins_a_trace_of_its_own(
    issuer: TracedIssuer, receiver: Receiver, traceparent: str
):
    answer = issuer.http.get("/sign-in", headers={"traceparent": traceparent})
    request = server_span(spans_of(issuer, receiver, answer))
    assert not request.parent_span_id
    assert request.trace_id.hex() != TRACE


def test_of_two_traceparents_none_counts(issuer: TracedIssuer, receiver: Receiver):
    twice = [("traceparent", f"00-{TRACE}-{PARENT}-01")] * 2
    request = server_span(spans_of(issuer, receiver, issuer.http.get("/sign-in", headers=twice)))
    assert not request.parent_span_id


def test_a_caller_that_does_not_sample_is_followed(issuer: TracedIssuer, receiver: Receiver):
    unsampled = "1" * 32
    answer = issuer.http.get("/sign-in", headers={"traceparent": f"00-{unsampled}-{PARENT}-00"})
    assert issuer.line(answer)["trace_id"] == unsampled
    spans_of(issuer, receiver, issuer.http.get("/sign-in"))
    assert receiver.trace(unsampled) == []


def test_probes_have_no_traces(issuer: TracedIssuer, receiver: Receiver):
    for path in ("/healthz", "/readyz"):
        assert "trace_id" not in issuer.line(issuer.http.get(path))


def test_metrics_arrive_under_their_names(issuer: TracedIssuer, receiver: Receiver):
    client = issuer.deployment.client()
    for _ in range(3):
        issuer.token(client)
    issued = receiver.metrics["issuer_tokens_issued"].sum
    grant = {"grant_type": "client_credentials"}

    def number() -> float:
        points = receiver.metrics["issuer_tokens_issued"].sum.data_points
        return next(each.as_double for each in points if values(each.attributes) == grant)

    before = number()
    issuer.token(client)
    wait_until(lambda: number() > before, SECONDS, "the token is counted")
    assert issued.is_monotonic
    took = receiver.metrics["issuer_token_request_duration_seconds"]
    (point,) = took.histogram.data_points
    assert took.unit == "s"
    assert point.count == sum(point.bucket_counts)
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert not point.HasField("min")
    (up,) = receiver.metrics["issuer_database_up"].gauge.data_points
    assert up.as_double == 1
    # Only for OTLP: nobody may read them here.
    assert issuer.http.get("/metrics").status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize("collector", ["hangs", "is down"])
def test_a_collector_that_does_not_answer_harms_nobody(tmp_path: Path, collector: str):
    with receiving(hangs=True) as receiver:
        endpoint = receiver.url if collector == "hangs" else "http://127.0.0.1:9"
        issuer = TracedIssuer(tmp_path, endpoint)
        issuer.environment["OTEL_BSP_MAX_QUEUE_SIZE"] = "64"
        issuer.environment["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] = "16"
        with issuer:
            client = issuer.deployment.client()
            statuses = {issuer.token(client).status_code for _ in range(200)}
            assert statuses == {200}
            with closing(issuer.http):
                began = time.monotonic()
                issuer.stop()
            # Seconds for the spans, and for the metrics; not the half minute of the library.
            assert time.monotonic() - began < SECONDS
