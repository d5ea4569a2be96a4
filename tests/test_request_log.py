"""Which requests get a log line of their own."""

from random import Random

from issuer.telemetry.logs import RequestLog
from tests.captured_logs import capture_logs
from tests.rows import rows


@rows(("share", "expected"), [(0.0, range(1)), (0.1, range(80, 120)), (1.0, range(1000, 1001))])
def test_a_share_of_the_requests_without_an_error_is_logged(share: float, expected: range):
    log = RequestLog(share, Random(7))
    with capture_logs() as lines:
        for _ in range(1000):
            log("GET", "/sign-in", 200, 0.004)
    assert len(lines) in expected


@rows("status", [400, 401, 404, 500, 503, None])
def test_every_error_is_logged(status: int | None):
    with capture_logs() as lines:
        RequestLog(0.0, Random())("GET", "/sign-in", status, 0.0123456)
    (line,) = lines
    assert (line["route"], line["status"], line["milliseconds"]) == ("/sign-in", status, 12.3)
