"""No token is issued that is already revoked: after a revocation, a request waits a second."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from issuer.composition import UnitOfWork, compose
from issuer.revocations import Revocations
from issuer.revocations.share import FeedLimits
from tests.builders import OPERATOR, PASSWORD, Deployment, FakeClock
from tests.directory.test_directory import statements
from tests.drivers import TokenDriver
from tests.revocations.feed import Feed

GRANTS = ["client_credentials", "password"]


def test_a_client_disabled_and_enabled_again_gets_a_valid_token(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client("ci-bot")
    for disabled in (True, False):
        with deployment.changing() as work:
            work.clients.update("ci-bot", {"disabled": disabled})
    answer = token_endpoint.client_credentials(client)
    assert answer.status == 200
    assert not Feed.of(deployment.http).refuses(answer.token)


def test_a_sign_in_after_a_password_change_gets_a_valid_token(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client("web", grant_types=GRANTS)
    deployment.user("alice", id="alice")
    prepared = deployment.services.sign_in.passwords.prepared(PASSWORD + "!")
    with deployment.changing() as work:
        work.users.set_password("alice", prepared)
    answer = token_endpoint.password(client, "alice", PASSWORD + "!")
    assert answer.status == 200
    assert not Feed.of(deployment.http).refuses(answer.token)


def test_a_password_change_in_another_process_applies_at_once(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    """This process has not read the change yet."""
    client = deployment.client("web", grant_types=GRANTS)
    deployment.user("alice", id="alice")
    deployment.services.tokens.changes.stop()
    elsewhere = compose(deployment.services.settings, clock)
    prepared = elsewhere.sign_in.passwords.prepared(PASSWORD + "!")
    with elsewhere.administration.changing(OPERATOR) as work:
        work.users.set_password("alice", prepared)
    elsewhere.database.dispose()
    answer = token_endpoint.password(client, "alice", PASSWORD + "!")
    assert not Feed.of(deployment.http).refuses(answer.token)


REVOKED_ELSEWHERE: dict[str, Callable[[UnitOfWork], None]] = {
    "client": lambda work: work.revocations.revoke_client("web"),
    "subject": lambda work: work.revocations.revoke_subject("alice"),
    "audience": lambda work: work.revocations.revoke_audience("my-os"),
}


@pytest.mark.parametrize("revoked", REVOKED_ELSEWHERE)
@pytest.mark.parametrize("grant", GRANTS)
def test_no_token_is_sent_that_another_process_has_already_revoked(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    clock: FakeClock,
    grant: str,
    revoked: str,
):
    """However long ago this process has read the changes; also for a cached grant."""
    client = deployment.client("web", grant_types=GRANTS)
    deployment.user("alice", id="alice")
    ask = partial(token_endpoint.password, client, "alice")
    if grant == "client_credentials":
        ask = partial(token_endpoint.client_credentials, client)
    for _ in range(2):
        assert ask().status == 200
    deployment.services.tokens.changes.stop()
    elsewhere = compose(deployment.services.settings, clock)
    for _ in range(3):
        with elsewhere.administration.changing(OPERATOR) as work:
            REVOKED_ELSEWHERE[revoked](work)
        answer = ask()
        assert answer.status == 200
        token = deployment.services.tokens.any_reader.read_although_revoked(answer.token)
        assert not deployment.services.tokens.is_revoked(token)
    elsewhere.database.dispose()


def test_no_refreshed_token_is_sent_that_another_process_has_already_revoked(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    """The entry for the user ends no family: the refresh token stays valid."""
    client = deployment.client("web", grant_types=["password", "refresh_token"])
    deployment.user("alice", id="alice")
    refresh_token = token_endpoint.password(client, "alice").refresh_token
    deployment.services.tokens.changes.stop()
    elsewhere = compose(deployment.services.settings, clock)
    for _ in range(2):
        with elsewhere.database.changing() as session:
            revocations = Revocations(session, clock, limits=FeedLimits(tokens=0))
            assert revocations.revoke_of_user(
                "sid", {"family_x": clock() + timedelta(hours=1)}, client_id="web", user_id="alice"
            )
        answer = token_endpoint.refresh(client, refresh_token)
        refresh_token = answer.refresh_token
        token = deployment.services.tokens.any_reader.read_although_revoked(answer.token)
        assert not deployment.services.tokens.is_revoked(token)
    elsewhere.database.dispose()


def test_a_recreated_audience_gets_a_valid_token(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    client = deployment.client("ci-bot")
    with deployment.changing() as work:
        work.audiences.delete("my-os", cascade=True)
    deployment.audience("my-os")
    with deployment.changing() as work:
        work.clients.update("ci-bot", {"audiences": ["my-os"]})
    before = clock()
    answer = token_endpoint.client_credentials(client)
    assert answer.status == 200
    assert timedelta(0) < clock() - before <= timedelta(seconds=2)
    assert not Feed.of(deployment.http).refuses(answer.token)


def test_other_clients_do_not_wait(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    other = deployment.client("other")
    with deployment.changing() as work:
        work.revocations.revoke_client("ci-bot")
        work.revocations.revoke_audience("other-os")
    before = clock()
    assert token_endpoint.client_credentials(other).status == 200
    assert clock() == before


def test_a_client_that_fails_to_authenticate_does_not_wait(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    client = deployment.client("ci-bot")
    with deployment.changing() as work:
        work.revocations.revoke_client("ci-bot")
    before = clock()
    answer = token_endpoint.post(
        data={"grant_type": "client_credentials"}, auth=(client.client_id, "wrong")
    )
    assert (answer.error, clock()) == ("invalid_client", before)


def test_a_change_during_the_wait_applies(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    """The request is authenticated and authorized again after the wait."""
    client = deployment.client("ci-bot")
    with deployment.changing() as work:
        work.revocations.revoke_client("ci-bot")

    def disable() -> None:
        with deployment.changing() as work:
            work.clients.update("ci-bot", {"disabled": True})

    clock.while_asleep = disable
    answer = token_endpoint.client_credentials(client)
    assert answer.error == "invalid_client"


def test_a_wait_that_would_be_too_long_is_503_with_retry_after(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    """The clock of the process that revoked is ahead of the clock of this one."""
    client = deployment.client("ci-bot")
    clock.move(timedelta(minutes=1))
    with deployment.changing() as work:
        work.revocations.revoke_client("ci-bot")
    clock.move(timedelta(minutes=-1))
    answer = token_endpoint.client_credentials(client)
    assert (answer.status, answer.error) == (503, "temporarily_unavailable")
    assert answer.response.headers["retry-after"] == "1"


def test_repeated_revocations_during_the_wait_are_503(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    client = deployment.client("ci-bot")
    revoked: list[bool] = []

    def revoke() -> None:
        with deployment.changing() as work:
            work.revocations.revoke_client("ci-bot")
        revoked.append(True)

    revoke()
    clock.while_asleep = revoke
    answer = token_endpoint.client_credentials(client)
    assert (answer.status, answer.error) == (503, "temporarily_unavailable")
    assert len(revoked) == 3


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_issuing_after_a_revocation_needs_no_query(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client("ci-bot")
    with deployment.changing() as work:
        work.revocations.revoke_client("ci-bot")
    token_endpoint.client_credentials(client)
    with statements(deployment) as seen:
        assert token_endpoint.client_credentials(client).status == 200
    assert seen == []
