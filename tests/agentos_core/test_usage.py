"""A verifier counts which scopes are used, within bounds, and reports each count once."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from issuer.agentos import InvalidConfiguration, Verifier
from issuer.agentos.key_set_client import background
from issuer.agentos.usage import (
    MOST_COUNTS,
    MOST_IDS_OF_SUBJECT,
    MOST_IN_REPORT,
    Counts,
    Decisions,
    UsageReporter,
)
from issuer.client import TokenClient
from tests.agentos.adapter.fake_issuer import FakeIssuer

AUDIENCE = "my-os"


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as issuer:
        yield issuer


@pytest.fixture
def reporter(issuer: FakeIssuer) -> UsageReporter:
    return UsageReporter(issuer.url, AUDIENCE, token_client(issuer.url))


def token_client(issuer: str, audience: str | None = None) -> TokenClient:
    return TokenClient(issuer, "reporter", client_secret="s3cret", audience=audience or issuer)


def report(reporter: UsageReporter) -> None:
    background.run(reporter.report()).result(10)


def count(reporter: UsageReporter, subject: str = "alice", *, allowed: bool = True) -> None:
    reporter.counts.add(subject, "web", "agents:web:run", allowed=allowed)


def numbers(issuer: FakeIssuer) -> dict[str, tuple[int, int]]:
    """What the issuer counts: each report once."""
    reports = {each["window"]["id"]: each for each in issuer.usage}.values()
    found: dict[str, tuple[int, int]] = {}
    for each in (each for report in reports for each in report["counts"]):
        allowed, refused = found.get(each["sub"], (0, 0))
        found[each["sub"]] = allowed + each["allowed"], refused + each["refused"]
    return found


def test_a_report_has_subjects_scopes_and_numbers_and_nothing_else(
    issuer: FakeIssuer, reporter: UsageReporter
):
    count(reporter)
    count(reporter, allowed=False)
    report(reporter)
    (sent,) = issuer.usage
    assert sent.pop("window").keys() == {"id", "start", "end"}
    assert sent == {
        "audience": AUDIENCE,
        "counts": [
            {
                "sub": "alice",
                "client_id": "web",
                "scope": "agents:web:run",
                "allowed": 1,
                "refused": 1,
            }
        ],
        "others": {"allowed": 0, "refused": 0},
    }


def test_a_report_without_counts_says_that_nothing_was_used(
    issuer: FakeIssuer, reporter: UsageReporter
):
    report(reporter)
    assert [each["counts"] for each in issuer.usage] == [[]]
    assert reporter.status()["reported_at"]


def test_a_report_whose_answer_was_lost_is_sent_again_unchanged(
    issuer: FakeIssuer, reporter: UsageReporter
):
    count(reporter)
    issuer.usage_status = 503
    report(reporter)
    assert "503" in reporter.status()["problem"]
    count(reporter)
    issuer.usage_status = 204
    report(reporter)
    first, again, _ = issuer.usage
    assert first == again
    assert numbers(issuer) == {"alice": (2, 0)}
    assert reporter.status()["problem"] is None


def test_what_is_counted_while_the_issuer_is_away_is_reported_later(
    issuer: FakeIssuer, reporter: UsageReporter
):
    report(reporter)  # which gets a token
    issuer.stop()
    for _ in range(3):
        count(reporter)
        report(reporter)
    issuer.start()
    report(reporter)
    assert numbers(issuer) == {"alice": (3, 0)}


def test_a_verifier_that_stops_reports_what_it_has_counted(
    issuer: FakeIssuer, reporter: UsageReporter
):
    reporter.start()
    count(reporter)
    reporter.stop()
    assert numbers(issuer) == {"alice": (1, 0)}


def test_a_long_report_is_sent_in_parts(issuer: FakeIssuer, reporter: UsageReporter):
    for number in range(MOST_IN_REPORT + 1):
        count(reporter, f"user-{number}")
    report(reporter)
    assert [len(each["counts"]) for each in issuer.usage] == [MOST_IN_REPORT, 1]
    assert len(numbers(issuer)) == MOST_IN_REPORT + 1


def test_a_report_that_is_too_long_for_the_issuer_is_halved(
    issuer: FakeIssuer, reporter: UsageReporter
):
    issuer.usage_limit = 400
    for number in range(5):
        count(reporter, f"user-{number}")
    report(reporter)
    assert numbers(issuer) == {f"user-{number}": (1, 0) for number in range(5)}


def test_a_report_that_the_issuer_does_not_understand_is_dropped(
    issuer: FakeIssuer, reporter: UsageReporter
):
    count(reporter, "first")
    issuer.usage_status = 422
    report(reporter)
    issuer.usage_status = 204
    count(reporter, "second")
    report(reporter)
    assert [len(each["counts"]) for each in issuer.usage] == [1, 1]


def test_what_exceeds_the_bound_is_counted_without_a_name():
    counts = Counts()
    for number in range(MOST_COUNTS + 10):
        counts.add(f"user-{number}", "web", "agents:run", allowed=True)
    counts.add("user-0", "web", "agents:run", allowed=True)
    assert len(counts) == MOST_COUNTS
    named, others = counts.take()
    assert named[0]["allowed"] == 2
    assert others == {"allowed": 10, "refused": 0}
    assert counts.take() == ([], {"allowed": 0, "refused": 0})


def test_who_invents_ids_is_counted_by_the_scope_without_an_id():
    counts = Counts()
    for number in range(MOST_IDS_OF_SUBJECT + 5):
        counts.add("mallory", "web", f"agents:a-{number}:run", allowed=True)
    for invented in ("a b", "a,b", "a" * 300, "a\x00", "ä"):
        counts.add("eve", "web", f"agents:{invented}:run", allowed=True)
    named, others = counts.take()
    general = {each["sub"]: each["allowed"] for each in named if each["scope"] == "agents:run"}
    assert general == {"mallory": 5, "eve": 5}
    assert len(named) == MOST_IDS_OF_SUBJECT + 2
    assert others["allowed"] == 0


def test_what_was_read_without_counting_its_id_is_not_mixed_with_lists():
    """`agents:read` is what a list needs: of it, `issuer review` takes no agent for used."""
    counts = Counts()
    counts.add("eve", "web", "agents:read", allowed=True)
    counts.add("eve", "web", "agents:a b:read", allowed=True)
    for number in range(MOST_IDS_OF_SUBJECT + 1):
        counts.add("eve", "web", f"agents:a-{number}:read", allowed=True)
    named = {str(each["scope"]): each["allowed"] for each in counts.take()[0]}
    assert (named["agents:read"], named["agents:*:read"]) == (1, 2)


def test_only_tokens_of_the_issuer_are_counted():
    counts = Counts()
    for issuer in ("https://id.example", "https://other.example"):
        claims: dict[str, Any] = {"iss": issuer, "sub": issuer, "client_id": "web"}
        decisions = Decisions(counts, "https://id.example", is_socket=False)
        decisions.add(claims, "agents:run", allowed=True)
    assert [each["sub"] for each in counts.take()[0]] == ["https://id.example"]


def test_a_token_without_a_client_is_counted_for_its_subject():
    counts = Counts()
    decisions = Decisions(counts, "https://id.example", is_socket=True)
    for _ in range(2):
        decisions.add({"iss": "https://id.example", "sub": "a"}, "agents:run", allowed=False)
    ((only,), _) = counts.take()
    assert (only["client_id"], only["refused"]) == ("a", 2)


def test_a_forked_process_reports_nothing_that_its_parent_counted(reporter: UsageReporter):
    count(reporter)
    child = os.fork()
    if not child:
        os._exit(len(reporter.counts))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(reporter.counts) == 1


@pytest.mark.parametrize("audience", ["my-os", "https://other.example"])
def test_the_token_client_must_be_for_the_issuer_itself(audience: str):
    issuer = "https://id.example"
    with pytest.raises(InvalidConfiguration, match="must be a TokenClient for the issuer"):
        Verifier(issuer, AUDIENCE, report_usage=token_client(issuer, audience))
