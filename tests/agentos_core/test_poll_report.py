"""A verifier tells its issuer which keys it holds, and nothing else to anybody."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version

import pytest

from issuer import __version__
from issuer.agentos.revocation_feed import REPORT_EVERY, PollReport
from issuer.verifiers.known_verifier import VerifierReport, read_report
from tests.agentos_core.conftest import NOW, Clocks, Following
from tests.agentos_core.hostile_server import FEED, KEYS, STANDARD, HostileServer, answer
from tests.agentos_core.keys import key, key_set
from tests.rows import rows

HEADER = "AgentOS-Verifier"
Follow = Callable[..., Following]


@pytest.fixture
def following(follow: Follow, server: HostileServer) -> Following:
    following = follow()
    server.publish_feed(following.feed())
    following.look_for()
    return following


def reported(server: HostileServer) -> VerifierReport | None:
    """What the issuer reads in the last poll of the feed."""
    header = server.headers_seen[FEED].get(HEADER)
    read = header and read_report(header.encode(), "192.0.2.1", datetime.fromtimestamp(NOW, UTC))
    assert bool(read) == bool(header)
    return read or None


def test_the_first_poll_says_who_it_is_and_what_it_holds(
    following: Following, server: HostileServer
):
    report = reported(server)
    assert report.identity.audience == "my-os"
    assert report.adapter_version == __version__
    assert report.agno_version == version("agno")
    assert report.kids == ("k1",)
    assert report.feed_issued_at is None
    assert server.headers_seen[FEED]["Cache-Control"] == "no-cache"


def test_it_reports_again_after_a_minute_with_the_time_of_its_feed(
    following: Following, server: HostileServer, clocks: Clocks
):
    clocks.move(REPORT_EVERY - 1)
    following.poll()
    assert reported(server) is None
    assert "Cache-Control" not in server.headers_seen[FEED]
    clocks.move(1)
    following.poll()
    assert reported(server).feed_issued_at == datetime.fromtimestamp(int(NOW), UTC)


def test_a_new_key_is_reported_with_the_next_poll(following: Following, server: HostileServer):
    server.publish(key_set(key("k2"), key()))
    server.publish_feed(following.feed())
    following.look_for("k2")
    following.poll()
    assert reported(server).kids == ("k2", "k1")
    following.poll()
    assert reported(server) is None


def test_what_was_not_answered_is_reported_again(
    following: Following, server: HostileServer, clocks: Clocks
):
    clocks.move(REPORT_EVERY)
    server.at(FEED, answer(status=503))
    for _ in range(2):
        following.poll()
        assert reported(server) is not None
    server.publish_feed(following.feed())
    following.poll()
    assert reported(server) is not None
    following.poll()
    assert reported(server) is None


def test_an_unchanged_feed_is_still_not_sent_again(
    follow: Follow, server: HostileServer, clocks: Clocks
):
    """RFC 9110 §13.1.2."""
    following = follow()
    server.publish_feed(following.feed(), etag='"v1"')
    following.look_for()
    server.at(FEED, answer(status=304))
    clocks.move(REPORT_EVERY)
    following.poll()
    assert reported(server) is not None
    assert server.headers_seen[FEED]["If-None-Match"] == '"v1"'
    assert following.revocations["problem"] is None


def test_only_requests_of_the_feed_have_it(following: Following, server: HostileServer):
    assert server.asked[KEYS]
    assert server.asked[STANDARD]
    for path in (KEYS, STANDARD):
        assert HEADER not in server.headers_seen[path]


@rows("audience", ['my"os', "my os", "mỹ-os", "my\r\nos: x", "back\\slash"])
def test_an_audience_that_the_issuer_cannot_have_is_not_sent(audience: str):
    assert PollReport(audience).headers(["k1"], 0) == {}


def test_a_kid_that_could_end_the_header_is_left_out():
    kids = ["k1", 'k"2', "k\r\n3", "k" * 65, "", "k4"]
    assert 'keys=("k1" "k4")' in PollReport("my-os").headers(kids, 0)[HEADER]


def test_many_keys_make_no_long_header():
    headers = PollReport("a" * 255).headers([f"{number:064}" for number in range(100)], 10**10)
    report = read_report(headers[HEADER].encode(), "192.0.2.1", datetime.fromtimestamp(NOW, UTC))
    assert len(report.kids) == 16


def test_each_verifier_and_each_process_has_its_own_id(monkeypatch: pytest.MonkeyPatch):
    report = PollReport("my-os")
    before = report.headers(["k1"], 0)[HEADER]
    assert PollReport("my-os").headers(["k1"], 0)[HEADER] != before
    report.note_received()
    assert report.headers(["k1"], 0) == {}
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert report.headers(["k1"], 0)[HEADER] != before
