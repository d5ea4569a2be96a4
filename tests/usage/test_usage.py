"""Reports of verifiers are added up by day, each once, within bounds, and for 90 days."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from issuer.database.tables import UsedChallengeRow, UsedScopeRow
from issuer.errors import InvalidField
from issuer.usage import UsageReport, delete_old_usage, usage
from issuer.usage import store as usage_store
from tests.builders import Deployment
from tests.interleaving import is_one_blocked, right_after
from tests.journeys.running_issuer import wait_until
from tests.usage.reporting import report, used

RUN, READ = "agents:web:run", "agents:read"


def rows(deployment: Deployment) -> dict[tuple[str, str, str], tuple[int, int]]:
    """By subject, scope and day."""
    with deployment.services.database.reading() as session:
        return {
            (row.subject, row.scope, f"{row.day:%d}"): (row.allowed, row.refused)
            for row in session.scalars(select(UsedScopeRow))
        }


def test_counts_are_added_to_those_of_the_day(deployment: Deployment):
    used(deployment, {("alice", RUN): (2, 0), ("ci", READ): (0, 1)})
    used(deployment, {("alice", RUN): (3, 1)})
    deployment.clock.move(timedelta(days=1))
    used(deployment, {("alice", RUN): (1, 0)})
    assert rows(deployment) == {
        ("", "", "25"): (0, 0),
        ("alice", RUN, "25"): (5, 1),
        ("ci", READ, "25"): (0, 1),
        ("", "", "26"): (0, 0),
        ("alice", RUN, "26"): (1, 0),
    }


def test_a_report_that_is_sent_again_counts_once(deployment: Deployment):
    said = UsageReport.read(report(deployment.clock(), {("alice", RUN): (1, 0)}))
    for is_new in (True, False):
        with deployment.services.administration.usage() as usage:
            assert usage.record("reporter", said) is is_new
        deployment.clock.move(timedelta(hours=20))
        deployment.services.factors.delete_expired()
    assert rows(deployment)["alice", RUN, "25"] == (1, 0)


def test_reports_of_two_clients_may_have_the_same_id(deployment: Deployment):
    said = UsageReport.read(report(deployment.clock(), {("alice", RUN): (1, 0)}))
    for client in ("reporter", "other"):
        with deployment.services.administration.usage() as usage:
            usage.record(client, said)
    assert rows(deployment)["alice", RUN, "25"] == (2, 0)


def test_a_report_counts_for_the_day_of_its_requests(deployment: Deployment):
    """The issuer was away at midnight."""
    yesterday = deployment.clock() - timedelta(hours=13)
    used(deployment)
    said = UsageReport.read(report(yesterday, {("alice", RUN): (1, 0)}))
    with deployment.services.administration.usage() as usage:
        usage.record("reporter", said)
    assert ("alice", RUN, "24") in rows(deployment)


@pytest.mark.parametrize("hours", [-25, 25])
def test_a_report_of_another_day_is_refused(deployment: Deployment, hours: int):
    end: datetime = deployment.clock() + timedelta(hours=hours)
    with (
        deployment.services.administration.usage() as recorded,
        pytest.raises(InvalidField, match="less than a day"),
    ):
        recorded.record("reporter", UsageReport.read(report(end)))


def test_a_clock_that_is_ahead_does_not_report_for_tomorrow(deployment: Deployment):
    end = deployment.clock() + timedelta(hours=13)
    with deployment.services.administration.usage() as recorded:
        recorded.record("reporter", UsageReport.read(report(end, {("alice", RUN): (1, 0)})))
    assert ("alice", RUN, "25") in rows(deployment)


def test_beyond_the_bound_of_a_day_subjects_are_counted_as_others(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(usage_store, "MOST_OF_DAY", 3)
    used(deployment, {("alice", RUN): (1, 0)})
    used(deployment, {("alice", RUN): (1, 0), ("bob", RUN): (1, 0), ("carol", RUN): (5, 2)})
    used(deployment, {("dave", RUN): (7, 0), ("bob", RUN): (1, 0)})
    assert rows(deployment) == {
        ("", "", "25"): (12, 2),
        ("alice", RUN, "25"): (2, 0),
        ("bob", RUN, "25"): (2, 0),
    }


def test_reports_beyond_the_bound_of_a_day_are_counted_without_a_name_or_an_id(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    """Each remembered id is a row: whoever may report cannot fill the database with them."""
    monkeypatch.setattr(usage, "MOST_REPORTS_OF_DAY", 2)
    for subject in ("alice", "bob", "carol"):
        used(deployment, {(subject, RUN): (2, 1)}, others={"allowed": 1})
    assert rows(deployment) == {
        ("", "", "25"): (5, 1),
        ("alice", RUN, "25"): (2, 1),
        ("bob", RUN, "25"): (2, 1),
    }
    with deployment.services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(UsedChallengeRow)) == 2
    used(deployment, {("dave", RUN): (1, 0)}, audience=deployment.audience("archive"))
    assert rows(deployment)["dave", RUN, "25"] == (1, 0)
    deployment.clock.move(timedelta(days=1))
    used(deployment, {("carol", RUN): (1, 0)})
    assert rows(deployment)["carol", RUN, "26"] == (1, 0)


def test_nobody_alone_uses_up_the_bound_of_a_day(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    """Callers invent ids: without a bound of their own, they would blind the review."""
    monkeypatch.setattr(usage_store, "MOST_IDS_OF_SUBJECT", 2)
    used(deployment, {("alice", RUN): (1, 0), ("bob", RUN): (1, 0)})
    invented = {("alice", f"agents:{name}:run"): (0, 1) for name in "abc"}
    used(deployment, invented | {("alice", RUN): (1, 0), ("alice", READ): (1, 0)})
    used(deployment, {("alice", f"agents:{name}:run"): (1, 1) for name in "abcd"})
    used(deployment, {("bob", "teams:a:run"): (1, 0), ("alice", "issuer:usage:report"): (1, 0)})
    assert rows(deployment) == {
        ("", "", "25"): (0, 0),
        ("alice", RUN, "25"): (2, 0),
        ("alice", READ, "25"): (1, 0),
        ("alice", "agents:a:run", "25"): (1, 2),
        ("alice", "agents:run", "25"): (3, 5),
        ("alice", "issuer:usage:report", "25"): (1, 0),
        ("bob", RUN, "25"): (1, 0),
        ("bob", "teams:a:run", "25"): (1, 0),
    }


def test_reading_beyond_the_bound_is_not_mixed_with_lists(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(usage_store, "MOST_IDS_OF_SUBJECT", 1)
    read = {("alice", f"agents:{name}:read"): (1, 0) for name in "abc"}
    used(deployment, read | {("alice", READ): (1, 0), ("alice", "agents:*:read"): (1, 0)})
    assert rows(deployment) == {
        ("", "", "25"): (0, 0),
        ("alice", READ, "25"): (1, 0),
        ("alice", "agents:a:read", "25"): (1, 0),
        ("alice", "agents:*:read", "25"): (3, 0),
    }


# SQLite has one writer at a time.
@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_reports_at_the_same_time_share_the_bounds(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(usage_store, "MOST_IDS_OF_SUBJECT", 2)
    with ThreadPoolExecutor(1) as pool:

        def report_too() -> None:
            invented = {("alice", f"agents:{name}:run"): (0, 1) for name in "cd"}
            reporting = pool.submit(used, deployment, invented)
            wait_until(
                lambda: reporting.done() or is_one_blocked(deployment), 30, "the second waits"
            )

        with right_after(deployment, "count(*)", report_too):
            used(deployment, {("alice", f"agents:{name}:run"): (0, 1) for name in "ab"})
    assert rows(deployment) == {
        ("", "", "25"): (0, 0),
        ("alice", "agents:a:run", "25"): (0, 1),
        ("alice", "agents:b:run", "25"): (0, 1),
        ("alice", "agents:run", "25"): (0, 2),
    }


def test_what_is_no_scope_counts_as_others(deployment: Deployment):
    used(deployment, {("alice", "issuer:nonsense"): (1, 0), ("alice", RUN): (1, 0)})
    assert rows(deployment)["", "", "25"] == (1, 0)
    assert rows(deployment)["alice", RUN, "25"] == (1, 0)


def test_what_inspections_needed_is_left_out(deployment: Deployment):
    used(deployment, {("issuer:inspector", "config:read"): (1, 30), ("alice", RUN): (1, 0)})
    assert rows(deployment) == {("", "", "25"): (0, 0), ("alice", RUN, "25"): (1, 0)}


def test_usage_is_deleted_after_90_days(deployment: Deployment):
    used(deployment, {("alice", RUN): (1, 0)})
    services, clock = deployment.services, deployment.clock
    for moved, kept in ((usage.KEPT_FOR, True), (timedelta(days=1), False)):
        clock.move(moved)
        delete_old_usage(services.database, clock)
        assert (("alice", RUN, "25") in rows(deployment)) is kept


def test_usage_of_a_deleted_audience_is_deleted(deployment: Deployment):
    used(deployment, {("alice", RUN): (1, 0)})
    with deployment.changing() as work:
        work.audiences.delete("my-os")
    assert rows(deployment) == {}
