"""A server ends although whatever it sends to does not answer."""

import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.audit.push.receivers import HttpReceiver, PostHandler, SyslogReceiver, serving
from tests.journeys.running_issuer import RunningIssuer, wait_until
from tests.otel.receiver import receiving

SECONDS = 60
# It takes three; each receiver alone had five before, and all of them thirteen.
SECONDS_TO_END = 9

pytestmark = pytest.mark.slow


def hanging_http(held: ExitStack) -> HttpReceiver:
    released = threading.Event()

    def hang(_: PostHandler) -> None:
        released.wait()

    receiver = held.enter_context(serving(HttpReceiver()))
    receiver.answers += [hang] * 100
    held.callback(released.set)
    return receiver


def dripping_syslog(held: ExitStack) -> SyslogReceiver:
    receiver = SyslogReceiver(drips="at the end")
    receiver.seconds_between = 3
    return held.enter_context(serving(receiver))


@pytest.mark.parametrize("hostile", [hanging_http, dripping_syslog])
def test_sigterm_ends_a_server_beside_hanging_receivers(tmp_path: Path, hostile):
    with ExitStack() as held:
        collector = held.enter_context(receiving(hangs=True))
        receiver = hostile(held)
        issuer = RunningIssuer(tmp_path, audit_push_url=receiver.url)
        issuer.environment |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
        }
        held.enter_context(issuer)
        client = issuer.deployment.client()
        assert issuer.token_endpoint.client_credentials(client).status == 200
        wait_until(lambda: receiver.connections > 0, SECONDS, "events are sent")
        wait_until(lambda: collector.hanging > 1, SECONDS, "spans and metrics are sent")
        began = time.monotonic()
        issuer.stop()
        assert time.monotonic() - began < SECONDS_TO_END
