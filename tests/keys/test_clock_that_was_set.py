"""A clock that is set ahead, if only for seconds, deletes nothing for good."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from issuer.clock import ClockWatch
from issuer.composition import compose
from issuer.composition.background import JOBS
from issuer.database.tables import Base
from issuer.roles import Assignment
from tests.builders import Deployment, FakeClock
from tests.captured_logs import capture_logs
from tests.drivers import TokenDriver
from tests.oauth.refreshing import sign_in

FAR = timedelta(days=40)
DAY = timedelta(days=1)
SETTLED = timedelta(minutes=2)


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """Whose process has run for some time; only the test runs its jobs."""
    deployment.services.tokens.changes.stop()
    for job in deployment.services.background.jobs:
        job.stop()
    deployment.wait(timedelta(hours=1))
    delete_what_has_expired(deployment)
    return deployment


def set_clock(deployment: Deployment, by: timedelta) -> None:
    """Somebody sets the clock; the monotonic one goes on."""
    deployment.clock.now += by
    deployment.wait(timedelta(seconds=4))


def delete_what_has_expired(deployment: Deployment) -> None:
    deleting = {job.name for job in JOBS if job.deletes}
    for job in deployment.services.background.jobs:
        if job.name in deleting:
            job.run_once()
            assert not job.is_failing, job.last_failure


def numbers_of_rows(deployment: Deployment) -> dict[str, int]:
    """Of what jobs delete. They add audit events only about what they have deleted."""
    with deployment.services.database.reading() as session:
        return {
            name: session.scalars(select(func.count()).select_from(table)).one()
            for name, table in Base.metadata.tables.items()
        }


def unusable_keys(deployment: Deployment) -> list[str]:
    deployment.services.keys.keyring.reload()
    return [key.kid for key in deployment.services.keys.keyring.keys if not key.is_usable]


def test_the_active_key_survives_a_jump_of_four_seconds(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client()
    before = token_endpoint.client_credentials(client)
    kid = token_endpoint.read(before)[0]["kid"]
    with capture_logs() as lines:
        set_clock(deployment, FAR)
        set_clock(deployment, -FAR)
        set_clock(deployment, timedelta(0))
    assert unusable_keys(deployment) == []
    after = token_endpoint.client_credentials(client)
    assert token_endpoint.read(after)[0]["kid"] == kid
    assert token_endpoint.introspect(client, before.token)["active"]
    assert FAR.total_seconds() in [
        each["seconds"] for each in lines if each["event"] == "clock_set"
    ]


def test_a_token_that_was_revoked_before_stays_revoked(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """Also if others are revoked while the clock is ahead."""
    client = deployment.client()
    revoked, other = (token_endpoint.client_credentials(client).token for _ in range(2))
    token_endpoint.revoke(client, revoked)
    set_clock(deployment, FAR)
    token_endpoint.revoke(client, token_endpoint.client_credentials(client).token)
    delete_what_has_expired(deployment)
    set_clock(deployment, -FAR)
    active = [token_endpoint.introspect(client, each)["active"] for each in (revoked, other)]
    assert active == [False, True]


@pytest.mark.parametrize("more_settings", [{"audit_keep": "30d"}])
def test_no_job_deletes_anything_while_the_clock_is_ahead(
    deployment: Deployment, token_endpoint: TokenDriver
):
    alice = sign_in(deployment, token_endpoint)
    with deployment.changing() as work:
        end = Assignment(role="runner", audience="my-os", expires_at=deployment.clock() + 20 * DAY)
        work.assignments.assign(alice.user_id, end)
        work.users.revoke_tokens(alice.user_id)
    delete_what_has_expired(deployment)
    before = numbers_of_rows(deployment)
    set_clock(deployment, FAR)
    before["signing_keys"] = numbers_of_rows(deployment)["signing_keys"]  # others are announced
    delete_what_has_expired(deployment)
    after = numbers_of_rows(deployment)
    assert {name for name in before if after[name] < before[name]} == set()


def test_a_day_later_the_clock_is_trusted_as_it_is_then(deployment: Deployment):
    """It may have been wrong before, and right now."""
    set_clock(deployment, FAR)
    deployment.wait(DAY - timedelta(minutes=1))
    assert unusable_keys(deployment) == []
    deployment.wait(timedelta(minutes=1))
    assert unusable_keys(deployment)


def test_while_a_key_is_kept_the_database_is_left_alone_and_the_key_set_may_be_cached(
    deployment: Deployment,
):
    set_clock(deployment, FAR)
    keyring = deployment.services.keys.keyring
    assert keyring.is_in_order()
    assert keyring.jwks.max_age(deployment.clock(), timedelta(minutes=5)) == 300


def test_a_process_that_has_just_started_destroys_nothing(deployment: Deployment):
    """The machine may not have set its clock yet; nor can a command know."""
    clock = FakeClock()
    clock.now = deployment.clock.now + FAR
    started = compose(deployment.services.settings, clock)
    started.background.prepare()
    assert unusable_keys(deployment) == []
    clock.move(SETTLED)
    started.keys.keyring.reconcile()
    assert unusable_keys(deployment)
    started.database.dispose()


def test_a_clock_that_is_corrected_in_small_steps_is_trusted():
    clock = FakeClock()
    watch = ClockWatch(clock)
    assert not watch.is_trusted()
    clock.move(SETTLED)
    for _ in range(600):
        clock.now += timedelta(seconds=30)
        assert watch.is_trusted()
