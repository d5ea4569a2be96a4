"""How many tokens were issued and refused is counted exactly, by any number of processes."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from issuer.audit import counts_store
from issuer.composition import Composition
from issuer.database.tables import AuditEventRow
from tests.builders import Credentials, Deployment
from tests.drivers import TokenDriver

HOUR = datetime(2026, 11, 25, 12, tzinfo=UTC)  # of the fake clock, at 12:00:00.5
ISSUED, REFUSED = "token.issued", "token.refused"


@pytest.fixture
def client(deployment: Deployment) -> Credentials:
    return deployment.client("ci-bot")


def counted(deployment: Deployment) -> dict[tuple[datetime, str], int]:
    parts = deployment.services
    parts.audit.token_counts.count()
    counts = parts.audit.token_counts.since(HOUR - timedelta(days=30))
    return {(each.hour, each.action): each.count for each in counts}


def test_events_are_counted_once_by_hour_and_action(
    deployment: Deployment, token_endpoint: TokenDriver, client: Credentials
):
    token_endpoint.client_credentials(client)
    token_endpoint.client_credentials(client)
    assert counted(deployment) == {}  # more events of this time may be written
    deployment.wait(timedelta(minutes=59, seconds=59))
    token_endpoint.client_credentials(Credentials("ci-bot", "wrong"))
    assert counted(deployment) == {(HOUR, ISSUED): 2}
    token_endpoint.client_credentials(client)
    deployment.wait(timedelta(minutes=1))
    token_endpoint.client_credentials(client)
    deployment.wait(timedelta(seconds=91))
    expected = {
        (HOUR, ISSUED): 3,
        (HOUR, REFUSED): 1,
        (HOUR + timedelta(hours=1), ISSUED): 1,
    }
    assert counted(deployment) == expected
    assert counted(deployment) == expected


def test_each_of_several_refusals_in_one_event_counts(
    deployment: Deployment, token_endpoint: TokenDriver, client: Credentials
):
    token_endpoint.client_credentials(Credentials("ci-bot", "wrong"))
    with deployment.services.database.changing() as session:
        session.execute(
            update(AuditEventRow).where(AuditEventRow.action == REFUSED).values(count=4)
        )
    deployment.wait(timedelta(minutes=2))
    assert counted(deployment) == {(HOUR, REFUSED): 4}


def test_of_two_processes_that_counted_the_same_one_adds_it(
    deployment: Deployment, token_endpoint: TokenDriver, client: Credentials
):
    token_endpoint.client_credentials(client)
    deployment.wait(timedelta(minutes=2))
    services: Composition = deployment.services
    with services.database.reading() as session:
        seen = counts_store.counted_until(session)
    assert counted(deployment) == {(HOUR, ISSUED): 1}
    with services.database.transaction() as session:
        assert not counts_store.advance(session, seen, services.clock())


def test_a_clock_that_went_back_counts_nothing_twice(
    deployment: Deployment, token_endpoint: TokenDriver, client: Credentials
):
    token_endpoint.client_credentials(client)
    deployment.wait(timedelta(minutes=2))
    before = counted(deployment)
    deployment.wait(timedelta(minutes=-1))
    assert counted(deployment) == before
    deployment.wait(timedelta(minutes=1))
    assert counted(deployment) == before


def test_counts_and_the_first_look_back_are_bounded(
    deployment: Deployment, token_endpoint: TokenDriver, client: Credentials
):
    token_endpoint.client_credentials(client)
    deployment.wait(timedelta(days=4))
    token_endpoint.client_credentials(client)
    deployment.wait(timedelta(days=5))
    later = HOUR + timedelta(days=4)
    assert counted(deployment) == {(later, ISSUED): 1}
    deployment.wait(timedelta(days=4))
    assert counted(deployment) == {}
