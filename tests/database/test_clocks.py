"""A machine whose clock is wrong: it neither issues tokens nor changes anything."""

from datetime import UTC, datetime, timedelta

import pytest

from issuer.clock import Clock
from issuer.database import Database
from issuer.database.deployment import require_clock
from issuer.errors import Unavailable
from tests.builders import Deployment, FakeClock
from tests.drivers import AdminApi, TokenDriver, problem
from tests.rows import rows

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class StoppedClock(Clock):
    def __call__(self) -> datetime:
        return NOON


@rows("ahead", [-HOUR, -timedelta(seconds=1), timedelta(0), HOUR])
def test_a_clock_knows_how_far_it_is_ahead_of_another(ahead: timedelta):
    assert StoppedClock().ahead_of(NOON - ahead, NOON) == ahead


def test_the_time_that_an_answer_took_is_no_difference():
    began = NOON - HOUR
    assert StoppedClock().ahead_of(NOON - HOUR / 2, began) == timedelta(0)


@pytest.mark.parametrize(("ahead", "words"), [(HOUR, "3600 s ahead of"), (-HOUR, "3600 s behind")])
def test_a_wrong_clock_is_an_error_that_says_how_wrong(
    deployment: Deployment, clock: FakeClock, ahead: timedelta, words: str
):
    database = deployment.services.database
    require_clock(database, clock)
    clock.ahead = ahead
    if database.is_sqlite:
        require_clock(database, clock)
        return
    with pytest.raises(Unavailable, match=f"The clock of this machine is {words} the database's"):
        require_clock(database, clock)


def test_a_clock_of_this_machine_agrees_with_the_database(deployment: Deployment):
    asked: Database = deployment.services.database
    require_clock(asked, Clock())


def test_while_the_clock_is_wrong_nothing_is_issued_or_changed(
    deployment: Deployment, clock: FakeClock, token_endpoint: TokenDriver
):
    """A token that is dated ahead would outlive the entry of the feed that revokes it."""
    client = deployment.client()
    admin = AdminApi(deployment.http, token_endpoint.client_credentials(deployment.admin).token)
    changes = deployment.services.tokens.changes
    clock.ahead = HOUR
    changes.poll()
    answer = token_endpoint.client_credentials(client)
    assert (answer.status, answer.error) == (503, "temporarily_unavailable")
    assert answer.response.headers["retry-after"]
    assert problem(admin.post("/roles", name="reader", scopes=["agents:read"]))[0] == 503
    assert deployment.http.get("/readyz").status_code == 503
    clock.ahead = timedelta(0)
    changes.poll()
    assert token_endpoint.client_credentials(client).status == 200
