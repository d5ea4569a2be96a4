"""Verifiers that report are listed, and a rotation waits for those that lack the next key."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import SQLAlchemyError

from issuer.errors import DatabaseUnavailable
from issuer.verifiers.known_verifier import LIVE_FOR, MOST_OF_NETWORK
from issuer.verifiers.known_verifiers import ReportedVerifiers
from tests.builders import Deployment
from tests.drivers import AdminApi, TokenDriver, problem
from tests.interleaving import is_one_blocked, right_after
from tests.journeys.running_issuer import wait_until
from tests.verifiers.reporting import NAME, report

FEED = "/.well-known/revocations"
MINUTE = timedelta(minutes=1)
FAILURES = (SQLAlchemyError, DatabaseUnavailable)
READY = timedelta(days=2)  # after the announcement of the next key


class Reporting:
    """Sends reports to a server, and lists verifiers."""

    def __init__(self, deployment: Deployment, token_endpoint: TokenDriver) -> None:
        self.deployment = deployment
        self._token_endpoint = token_endpoint
        self.verifiers = deployment.services.protocol.verifiers

    @property
    def admin(self) -> AdminApi:
        token = self._token_endpoint.client_credentials(self.deployment.admin).token
        return AdminApi(self.deployment.http, token)

    @property
    def next_kid(self) -> str:
        return self.admin.get("/keys").json()["items"][0]["kid"]

    def poll(self, keys: Sequence[str] = (), **said: Any) -> None:
        """Poll the feed with a report, which is then written if it is due."""
        headers = {NAME: report(keys, **said)}
        assert self.deployment.http.get(FEED, headers=headers).status_code == 200
        self.verifiers.write()

    def listed(self) -> list[dict[str, Any]]:
        return self.admin.get("/verifiers").json()["items"]


@pytest.fixture
def reporting(deployment: Deployment, token_endpoint: TokenDriver) -> Reporting:
    return Reporting(deployment, token_endpoint)


def test_a_verifier_that_polls_is_listed(reporting: Reporting):
    reporting.poll(["k1", "k2"])
    now = reporting.deployment.clock().isoformat().replace("+00:00", "Z")
    assert reporting.listed() == [
        {
            "audience": "my-os",
            "address": "unknown",  # that of the test client is no address
            "instance": "instance-1",
            "adapter_version": "0.1.0",
            "agno_version": "3.1.0",
            "kids": ["k1", "k2"],
            "feed_issued_at": "2026-11-18T11:06:40Z",
            "first_seen_at": now,
            "seen_at": now,
            "live": True,
            "missing_kid": reporting.next_kid,
        }
    ]


def test_what_says_nothing_is_not_listed_and_nobody_else_s_audience(reporting: Reporting):
    reporting.deployment.http.get(FEED)
    reporting.deployment.http.get(FEED, headers={NAME: b"nonsense"})
    twice = [(NAME, report().decode()), (NAME, report(id="instance-2").decode())]
    reporting.deployment.http.get(FEED, headers=twice)
    reporting.poll(aud="another-os")
    assert reporting.listed() == []


def test_the_answer_does_not_depend_on_the_report(reporting: Reporting):
    """So that caches need not store one for each verifier (RFC 9110 §12.5.5)."""
    http = reporting.deployment.http
    without, with_report = http.get(FEED), http.get(FEED, headers={NAME: report()})
    known = {"If-None-Match": without.headers["etag"], NAME: report(), "Cache-Control": "no-cache"}
    for answer in (without, with_report):
        assert "vary" not in answer.headers
        assert answer.headers["cache-control"] == "public, max-age=5"
    assert with_report.content == without.content
    assert http.get(FEED, headers=known).status_code == 304


def test_a_rotation_is_refused_while_a_live_verifier_lacks_the_next_key(reporting: Reporting):
    reporting.deployment.wait(READY)
    kid = reporting.next_kid
    reporting.poll(["old"])
    refused = reporting.admin.post("/keys/rotate")
    assert problem(refused) == (409, "not-allowed")
    assert f"lacks the next ES256 key {kid}" in refused.json()["detail"]
    assert "my-os at unknown" in refused.json()["detail"]
    assert reporting.next_kid == kid
    reporting.deployment.wait(MINUTE)
    reporting.poll(["old", kid])
    assert reporting.listed()[0]["missing_kid"] is None
    assert reporting.admin.post("/keys/rotate").status_code == 200
    assert reporting.next_kid != kid


def test_a_forced_rotation_is_made_and_audited(reporting: Reporting):
    reporting.deployment.wait(READY)
    reporting.poll(["old"])
    assert reporting.admin("POST", "/keys/rotate?force=true").status_code == 200
    (activated, *_) = reporting.admin.get("/audit-events?action=key.activated").json()["items"]
    assert activated["details"] == {"alg": "ES256", "verifiers_lacking": 1}


def test_neither_a_planned_rotation_nor_a_revocation_waits(reporting: Reporting):
    active = reporting.admin.get("/keys").json()["items"][1]["kid"]
    reporting.deployment.wait(timedelta(days=31))
    reporting.poll(["old"])
    key = reporting.admin.get("/keys").json()["items"][1]
    assert (key["state"], key["kid"] == active) == ("active", False)
    assert reporting.admin.post(f"/keys/{key['kid']}/revoke").status_code == 200


def test_a_verifier_that_has_ended_does_not_block(reporting: Reporting):
    reporting.deployment.wait(READY)
    reporting.poll(["old"])
    reporting.deployment.wait(LIVE_FOR)
    assert reporting.admin.post("/keys/rotate").status_code == 409
    reporting.deployment.wait(timedelta(seconds=1))
    assert reporting.listed()[0]["live"] is False
    assert reporting.admin.post("/keys/rotate").status_code == 200


@pytest.mark.parametrize("more_settings", [{"signing_algorithms": "ES256,RS256"}])
def test_a_verifier_of_another_algorithm_does_not_block(reporting: Reporting):
    """It never holds the other keys: it lists the algorithms that it accepts."""
    reporting.deployment.audience("rsa-os", signing_alg="RS256")
    reporting.deployment.wait(READY)
    reporting.poll(["old"], aud="rsa-os")
    assert reporting.admin("POST", "/keys/rotate?alg=ES256").status_code == 200
    assert reporting.admin("POST", "/keys/rotate?alg=RS256").status_code == 409


def test_it_is_written_once_a_minute_and_when_its_keys_change(reporting: Reporting):
    written = statements(reporting)
    deployment = reporting.deployment
    reporting.poll(["k1"])
    assert len(written) == 1
    for _ in range(5):
        deployment.wait(timedelta(seconds=10))
        reporting.poll(["k1"])
    assert len(written) == 1
    deployment.wait(timedelta(seconds=10))
    reporting.poll(["k1"])
    assert len(written) == 2
    deployment.wait(timedelta(seconds=5))
    reporting.poll(["k1", "k2"])
    assert len(written) == 3
    for number in range(20):
        deployment.wait(timedelta(seconds=2))
        reporting.poll([f"claimed-{number}"])
    assert len(written) == 3


def statements(reporting: Reporting) -> list[str]:
    """The statements that insert verifiers, from now on."""
    written: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO verifiers"):
            written.append(statement)

    engine = reporting.deployment.services.database.engine
    event.listen(engine, "before_cursor_execute", note)
    return written


def test_two_servers_share_what_each_has_seen_and_the_newest_counts(reporting: Reporting):
    other = ReportedVerifiers(reporting.deployment.services.database, reporting.deployment.clock)
    other.note(report(["k1"]), "192.0.2.1")
    reporting.deployment.wait(MINUTE)
    reporting.verifiers.note(report(["k1", "k2"]), "192.0.2.1")
    reporting.verifiers.write()
    other.write()
    assert [each["kids"] for each in reporting.listed()] == [["k1", "k2"]]
    assert [each.report.kids for each in other.known.values()] == [("k1", "k2")]
    reporting.deployment.wait(MINUTE)
    other.note(report(["k2"], id="instance-2"), "192.0.2.2")
    other.write()
    reporting.verifiers.write()
    assert len(reporting.verifiers.known) == 2


def test_a_row_of_a_clock_that_was_ahead_is_replaced(reporting: Reporting):
    deployment = reporting.deployment
    deployment.wait(timedelta(hours=1))
    reporting.poll(["old"])
    deployment.wait(-timedelta(hours=1))
    assert [each["live"] for each in reporting.listed()] == [False]
    reporting.poll(["new"])
    assert [(each["kids"], each["live"]) for each in reporting.listed()] == [(["new"], True)]


def test_a_flood_of_identities_is_bounded_in_memory_and_in_the_database(reporting: Reporting):
    reporting.verifiers.note(report(["real"], id="instance-real"), "192.0.2.1")
    reporting.verifiers.write()
    for _ in range(3):
        for number in range(2 * MOST_OF_NETWORK):
            reporting.verifiers.note(report(id=f"invented-{number}"), "198.51.100.1")
        reporting.verifiers.write()
        reporting.deployment.wait(timedelta(seconds=5))
    assert len(reporting.verifiers._new) <= 2 * MOST_OF_NETWORK
    written = statements(reporting)
    for number in range(MOST_OF_NETWORK):
        reporting.verifiers.note(report(id=f"others-{number}"), "198.51.100.1")
    reporting.verifiers.write()
    assert written == []
    page = reporting.admin.get("/verifiers?limit=500").json()
    assert len(page["items"]) == 1 + MOST_OF_NETWORK
    assert page["items"][0]["kids"] == ["real"]


def flood(verifiers: ReportedVerifiers, kid: str = "k1") -> None:
    """Invented reports from 520 networks, twice: new ones each time."""
    for of in ("one", "other"):
        for n in range(520):
            verifiers.note(report([kid], id=f"{of}-{n:06}"), f"10.{n // 250}.{n % 250}.1")
        verifiers.write()


def real(verifiers: ReportedVerifiers) -> None:
    """Ten processes at one address, without the next key."""
    for n in range(10):
        verifiers.note(report(["old"], id=f"instance-{n}"), "192.0.2.1")
    verifiers.write()


def all_listed(reporting: Reporting) -> list[dict[str, Any]]:
    with reporting.deployment.services.administration.reading() as work:
        return [each.model_dump() for each in work.verifiers.all()]


def real_ones_are_live(reporting: Reporting) -> bool:
    of_ours = [each for each in all_listed(reporting) if each["kids"] == ["old"]]
    return [each["live"] for each in of_ours] == [True] * 10


def test_a_flood_displaces_no_live_verifier_and_a_rotation_still_waits(reporting: Reporting):
    reporting.deployment.wait(READY)
    real(reporting.verifiers)
    flood(reporting.verifiers, reporting.next_kid)
    assert real_ones_are_live(reporting)
    refused = reporting.admin.post("/keys/rotate")
    assert problem(refused) == (409, "not-allowed")
    assert "my-os at 192.0.2.1" in refused.json()["detail"]


def test_a_rotation_waits_while_verifiers_were_left_out_just_now(reporting: Reporting):
    """Nobody knows what they hold, in any process."""
    deployment = reporting.deployment
    deployment.wait(READY)
    other = ReportedVerifiers(deployment.services.database, deployment.clock)
    kid = reporting.next_kid
    for n in range(520):
        other.note(report([kid], id=f"invented-{n}"), f"10.{n // 250}.{n % 250}.1")
    other.write()
    refused = reporting.admin.post("/keys/rotate")
    assert problem(refused) == (409, "not-allowed")
    assert "About 20 verifiers were left out" in refused.json()["detail"]
    left_out = reporting.admin.get("/verifiers").json()["left_out"]
    assert (left_out["number"], left_out["is_recent"]) == (20, True)
    reporting.verifiers.write()
    assert other.left_out == reporting.verifiers.left_out is not None
    deployment.wait(LIVE_FOR)
    assert reporting.admin.post("/keys/rotate").status_code == 409
    deployment.wait(timedelta(seconds=1))
    assert reporting.admin.get("/verifiers").json()["left_out"]["is_recent"] is False
    assert reporting.admin.post("/keys/rotate").status_code == 200


def test_a_forced_rotation_says_how_many_were_left_out(reporting: Reporting):
    """Also those that had no place in memory."""
    reporting.deployment.wait(READY)
    kid = reporting.next_kid
    for n in range(2 * MOST_OF_NETWORK):
        reporting.verifiers.note(report([kid], id=f"invented-{n}"), "10.0.0.1")
    reporting.verifiers.write()
    assert reporting.admin("POST", "/keys/rotate?force=true").status_code == 200
    (activated, *_) = reporting.admin.get("/audit-events?action=key.activated").json()["items"]
    assert activated["details"]["verifiers_left_out"] == MOST_OF_NETWORK


def test_after_an_outage_newcomers_take_no_place_of_verifiers_that_were_live(
    reporting: Reporting,
):
    deployment = reporting.deployment
    real(reporting.verifiers)
    deployment.wait(timedelta(minutes=10))
    restarted = ReportedVerifiers(deployment.services.database, deployment.clock)
    flood(restarted)
    deployment.wait(timedelta(seconds=30))
    real(restarted)
    assert real_ones_are_live(reporting)


@pytest.mark.parametrize("database_kind", ["postgresql"])  # SQLite has one writer at a time
def test_two_servers_keep_no_more_than_the_limits(reporting: Reporting):
    """Each counts what the other has added: one waits for the other."""
    deployment = reporting.deployment
    other = ReportedVerifiers(deployment.services.database, deployment.clock)
    for n in range(MOST_OF_NETWORK):
        reporting.verifiers.note(report(id=f"of-one-{n:04}"), "10.0.0.1")
        other.note(report(id=f"of-other-{n:04}"), "10.0.0.1")
    with ThreadPoolExecutor() as threads:
        writing: list[Future[None]] = []

        def begin() -> None:
            writing.append(threads.submit(other.write))
            wait_until(partial(is_one_blocked, deployment), 20, "the other server waits")

        with right_after(deployment, "INSERT INTO left_out_verifiers", begin):
            reporting.verifiers.write()
        writing[0].result()
    assert len(all_listed(reporting)) == MOST_OF_NETWORK


def test_reports_survive_an_outage_of_the_database(reporting: Reporting):
    reporting.verifiers.note(report(["k1"]), "192.0.2.1")
    with without_table(reporting), pytest.raises(FAILURES, match="verifiers"):
        reporting.verifiers.write()
    reporting.verifiers.write()
    assert [each["kids"] for each in reporting.listed()] == [["k1"]]


@contextmanager
def without_table(reporting: Reporting) -> Iterator[None]:
    def rename(before: str, after: str) -> None:
        with reporting.deployment.services.database.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))

    rename("verifiers", "hidden")
    yield
    rename("hidden", "verifiers")


@pytest.mark.parametrize("more_settings", [{"verifier_networks": "192.0.2.0/24, 2001:db8::/48"}])
def test_reports_of_other_networks_are_ignored(reporting: Reporting):
    addresses = [
        "192.0.2.9",
        "::ffff:192.0.2.10",
        "2001:db8::1",
        "198.51.100.1",
        "no-address",
        None,
    ]
    for number, address in enumerate(addresses):
        reporting.verifiers.note(report(id=f"instance-{number}"), address)
    reporting.verifiers.write()
    assert {each["address"] for each in reporting.listed()} == set(addresses[:3])


def test_a_deleted_audience_has_no_verifiers(reporting: Reporting):
    reporting.deployment.audience("other-os")
    reporting.poll(aud="other-os")
    with reporting.deployment.changing() as work:
        work.audiences.delete("other-os")
    assert reporting.listed() == []


@pytest.mark.parametrize("database_kind", ["postgresql"])  # SQLite has one writer at a time
def test_an_audience_is_deleted_while_its_verifiers_are_written(reporting: Reporting):
    """Both lock it before its verifiers: otherwise each would wait for the other."""
    deployment = reporting.deployment
    deployment.audience("other-os")
    reporting.poll(aud="other-os")
    reporting.verifiers.note(report(aud="other-os", id="instance-2"), "192.0.2.1")

    def delete() -> None:
        with deployment.changing() as work:
            work.audiences.delete("other-os")

    with ThreadPoolExecutor() as threads:
        deletions: list[Future[None]] = []

        def begin() -> None:
            deletions.append(threads.submit(delete))
            wait_until(partial(is_one_blocked, deployment), 20, "the deletion waits for a lock")

        with right_after(deployment, "FOR UPDATE OF verifiers", begin):
            reporting.verifiers.write()
        deletions[0].result()
    assert reporting.listed() == []


def test_the_list_is_paged(reporting: Reporting):
    for number in range(5):
        reporting.verifiers.note(report(id=f"instance-{number}"), "192.0.2.1")
    reporting.verifiers.write()
    first = reporting.admin.get("/verifiers?limit=3").json()
    rest = reporting.admin.get(f"/verifiers?limit=3&cursor={first['next_cursor']}").json()
    found = [each["instance"] for each in first["items"] + rest["items"]]
    assert found == [f"instance-{number}" for number in range(5)]
    assert rest["next_cursor"] is None
