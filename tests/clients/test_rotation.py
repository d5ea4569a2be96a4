"""Rotating a secret while two are valid; the state is derived from the client's secrets."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from issuer.clients.rotation import Rotations
from issuer.errors import NotAllowed, NotFound
from tests.builders import Credentials, Deployment
from tests.drivers import TokenDriver

DAY = timedelta(days=1)


@pytest.fixture
def bot(deployment: Deployment) -> Credentials:
    return deployment.client("bot")


@contextmanager
def rotating(deployment: Deployment) -> Iterator[Rotations]:
    deployment.wait(timedelta(seconds=1))
    with deployment.changing() as work:
        yield Rotations(work.clients, deployment.clock)
    deployment.services.tokens.changes.poll()


def started(deployment: Deployment) -> Credentials:
    with rotating(deployment) as rotations:
        return Credentials("bot", rotations.start("bot")[1])


def used(deployment: Deployment, endpoint: TokenDriver, client: Credentials) -> None:
    assert endpoint.client_credentials(client).status == 200
    deployment.services.tokens.last_use.write()


def test_both_secrets_work_until_the_rotation_is_finished(
    deployment: Deployment, token_endpoint: TokenDriver, bot: Credentials
):
    new = started(deployment)
    used(deployment, token_endpoint, bot)
    used(deployment, token_endpoint, new)
    deployment.wait(DAY)
    with rotating(deployment) as rotations:
        assert [secret.last_used_at is None for secret in rotations.finish("bot").old] == [False]
        assert rotations.find("bot") is None
    assert token_endpoint.client_credentials(bot).error == "invalid_client"
    used(deployment, token_endpoint, new)


def test_a_cancelled_rotation_leaves_the_old_secret(
    deployment: Deployment, token_endpoint: TokenDriver, bot: Credentials
):
    new = started(deployment)
    with rotating(deployment) as rotations:
        rotations.cancel("bot")
        assert rotations.find("bot") is None
    assert token_endpoint.client_credentials(new).error == "invalid_client"
    used(deployment, token_endpoint, bot)


def test_an_old_secret_used_within_a_day_is_a_warning(
    deployment: Deployment, token_endpoint: TokenDriver, bot: Credentials
):
    new = started(deployment)
    used(deployment, token_endpoint, new)
    used(deployment, token_endpoint, bot)
    deployment.wait(DAY - timedelta(minutes=1))
    with (
        rotating(deployment) as rotations,
        pytest.raises(NotAllowed, match="less than 24 hours ago"),
    ):
        rotations.finish("bot")
    used(deployment, token_endpoint, bot)
    with rotating(deployment) as rotations:
        rotations.finish("bot", force=True)
    assert token_endpoint.client_credentials(bot).error == "invalid_client"


def test_a_new_secret_that_was_never_used_is_a_warning(deployment: Deployment, bot: Credentials):
    started(deployment)
    deployment.wait(DAY)
    with rotating(deployment) as rotations, pytest.raises(NotAllowed, match="has never been used"):
        rotations.finish("bot")


def test_one_rotation_at_a_time_and_another_after_it(deployment: Deployment, bot: Credentials):
    for _ in range(2):
        started(deployment)
        with (
            rotating(deployment) as rotations,
            pytest.raises(NotAllowed, match="Finish or cancel it"),
        ):
            rotations.start("bot")
        with rotating(deployment) as rotations:
            rotations.finish("bot", force=True)
            assert rotations.find("bot") is None


def test_a_secret_created_after_the_start_is_not_deleted(deployment: Deployment, bot: Credentials):
    started(deployment)
    deployment.wait(timedelta(seconds=1))
    deployment.secret(bot, label="github")
    with rotating(deployment) as rotations:
        assert len(rotations.finish("bot", force=True).old) == 1
    with deployment.changing() as work:
        labels = [secret.label for secret in work.clients.secrets("bot")]
    assert labels == ["rotation", "github"]


def test_finish_and_cancel_need_a_rotation_in_progress(deployment: Deployment, bot: Credentials):
    with rotating(deployment) as rotations:
        for end in (rotations.finish, rotations.cancel):
            with pytest.raises(NotAllowed, match="No rotation"):
                end("bot")
            with pytest.raises(NotFound):
                end("unknown")


def test_a_client_without_a_secret_cannot_be_rotated(deployment: Deployment, bot: Credentials):
    with deployment.changing() as work:
        for secret in work.clients.secrets("bot"):
            work.clients.delete_secret("bot", secret.id)
    with rotating(deployment) as rotations, pytest.raises(NotAllowed, match="no secret to replace"):
        rotations.start("bot")
