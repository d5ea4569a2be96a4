"""`GET /admin/v1/status`: how a server is, and what must be looked at."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from issuer.background.periodic import Periodic
from issuer.errors import Unavailable
from issuer.fields.times import in_json
from issuer.roles import Assignment
from issuer.status.report import server_status
from issuer.verifiers.known_verifier import LIVE_FOR
from tests.builders import Deployment
from tests.drivers import AdminApi, problem
from tests.verifiers.reporting import left_out, reported

READ = "issuer:status:read"
ON_SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"])


def test_a_server_that_is_well_needs_no_attention(
    holder_of: Callable[..., AdminApi], deployment: Deployment
):
    status = holder_of(READ).get("/status").json()
    database = deployment.services.database
    assert status["can_issue"]
    assert status["attention"] == []
    assert status["database"]["kind"] == ("SQLite" if database.is_sqlite else "PostgreSQL")
    assert {key["state"] for key in status["keys"]} == {"active", "announced"}
    assert {"audit", "queries", "passwords"} <= {each["name"] for each in status["queues"]}
    assert {"change-watcher", "key-rotator", "audit-checkpoints"} <= {
        each["name"] for each in status["jobs"]
    }


@ON_SQLITE
def test_it_needs_its_own_scope(holder_of: Callable[..., AdminApi]):
    assert problem(holder_of("issuer:keys:write").get("/status")) == (403, "forbidden")
    assert holder_of("issuer:admin").get("/status").status_code == 200


@ON_SQLITE
def test_it_says_what_is_wrong_and_what_to_do(admin: AdminApi, deployment: Deployment):
    def fail() -> None:
        raise Unavailable("The disk is on fire.")

    job = the_job(deployment, "expired-tokens")
    job._task = fail
    job.run_once()
    status = admin.get("/status").json()
    (attention,) = status["attention"]
    assert attention["subject"] == "jobs"
    assert attention["problem"] == "expired-tokens: The disk is on fire."
    job._task = lambda: None
    job.run_once()
    status = admin.get("/status").json()
    assert status["attention"] == []
    (last,) = [each for each in status["jobs"] if each["error"]]
    assert (last["name"], last["is_failing"]) == ("expired-tokens", False)


@ON_SQLITE
def test_an_unexpected_error_of_a_job_is_named_without_its_text(
    admin: AdminApi, deployment: Deployment
):
    """Its text could hold anything."""

    def fail() -> None:
        raise KeyError("s3cr3t")

    job = the_job(deployment, "expired-tokens")
    job._task = fail
    job.run_once()
    text = admin.get("/status").text
    assert "KeyError" in text
    assert "s3cr3t" not in text


@ON_SQLITE
def test_events_that_wait_long_for_a_checkpoint_need_attention(
    admin: AdminApi, deployment: Deployment
):
    deployment.client()
    deployment.wait(timedelta(minutes=11))
    (attention,) = admin.get("/status").json()["attention"]
    assert attention["subject"] == "audit"
    assert re.search(r" since \d{4}-\d\d-\d\d \d\d:\d\d UTC\.$", attention["problem"])
    deployment.services.audit.checkpoints.make()
    assert admin.get("/status").json()["attention"] == []


@ON_SQLITE
@pytest.mark.parametrize(
    "more_settings", [{"audit_push_url": "https://127.0.0.1:1/events?key=k3y"}]
)
def test_audit_events_that_cannot_be_sent_need_attention(admin: AdminApi, deployment: Deployment):
    pusher = deployment.services.audit.pusher
    assert pusher is not None
    for _ in range(2):
        pusher.push()
        deployment.wait(timedelta(minutes=1))
    assert subjects(admin) == set()
    pusher.push()
    status = admin.get("/status").json()
    push = status["audit_push"]
    assert (push["destination"], push["failed"]) == ("https://127.0.0.1:1", 3)
    assert push["behind"] > 0
    assert "refused" in push["failure"]
    assert subjects(admin) == {"audit push"}
    assert "k3y" not in str(status)


def test_what_ends_within_a_week_is_counted_without_names(
    holder_of: Callable[..., AdminApi], deployment: Deployment
):
    """Which is all that the scope for the status shows; nothing needs attention because of it."""
    reader = holder_of(READ)
    none = {"roles": 0, "scopes": 0, "secrets": 0, "first_at": None, "is_complete": True}
    assert reader.get("/status").json()["ending"] == none
    deployment.role("on-call", ["agents:run"])
    day = timedelta(days=1)
    now = deployment.clock().replace(microsecond=0)  # an end is a whole second
    alice = deployment.user("alice", password=None)
    bot = deployment.client("bot", scopes=["agents:run"])
    deployment.secret(bot, expires_at=in_json(now + 5 * day))
    with deployment.changing() as work:
        role = Assignment(role="on-call", audience="my-os", expires_at=now + 4 * day)
        work.assignments.assign(alice, role)
        ends = {"agents:run": in_json(now + 9 * day)}
        work.clients.update("bot", {"scopes_expire_at": ends})
    deployment.clock.move(day + timedelta(hours=1))
    deployment.services.audit.checkpoints.make()
    found = server_status(deployment.services.running([]))
    assert found.ending.model_dump() == {
        **{"roles": 1, "scopes": 0, "secrets": 1},
        **{"first_at": now + 4 * day, "is_complete": True},
    }
    assert [each for each in found.attention if each.subject == "rights"] == []
    deployment.clock.move(2 * day)
    assert server_status(deployment.services.running([])).ending.scopes == 1


def the_job(deployment: Deployment, name: str) -> Periodic:
    (job,) = (each for each in deployment.services.background.jobs if each.name == name)
    return job


def subjects(admin: AdminApi) -> set[str]:
    """What needs attention, but for the checkpoints that nobody makes here."""
    attention = admin.get("/status").json()["attention"]
    return {each["subject"] for each in attention} - {"audit"}


@ON_SQLITE
def test_a_verifier_without_the_next_key_needs_attention_a_day_before_it_signs(
    admin: AdminApi, deployment: Deployment
):
    deployment.services.audit.checkpoints.make()
    (signs_at,) = [
        key.activates_at
        for key in deployment.services.keys.keyring.keys
        if key.activates_at > deployment.clock()
    ]
    reported(deployment, ["old"])
    status = admin.get("/status").json()
    verifiers = {"live": 1, "lacking_next_key": 1, "lacked_key_signs_at": None, "left_out": 0}
    assert status["verifiers"] == verifiers
    for before, attention in ((timedelta(hours=25), False), (timedelta(hours=23), True)):
        deployment.wait(signs_at - before - deployment.clock())
        reported(deployment, ["old"])
        found = server_status(deployment.services.running([]))
        assert found.verifiers.lacked_key_signs_at == signs_at
        about = [each.problem for each in found.attention if each.subject == "verifiers"]
        assert bool(about) is attention
    assert about == [
        f"1 live verifier lacks the next key, and it signs from {signs_at:%Y-%m-%d %H:%M} UTC."
    ]


@ON_SQLITE
def test_verifiers_that_were_left_out_need_attention(admin: AdminApi, deployment: Deployment):
    left_out(deployment.services)
    assert admin.get("/status").json()["verifiers"]["left_out"] == 3
    (problem,) = [
        each for each in admin.get("/status").json()["attention"] if each["subject"] == "verifiers"
    ]
    assert "About 3 verifiers were left out" in problem["problem"]
    assert "ISSUER_VERIFIER_NETWORKS" in problem["remedy"]
    deployment.wait(LIVE_FOR + timedelta(seconds=1))
    assert server_status(deployment.services.running([])).verifiers.left_out == 0
