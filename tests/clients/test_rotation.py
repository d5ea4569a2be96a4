"""A secret is replaced while two live; what is under way follows from the secrets there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from issuer.clients import Rotations
from issuer.errors import NotAllowed, NotFound
from tests.builders import Credentials, House
from tests.drivers import TokenEndpoint

DAY = timedelta(days=1)


@pytest.fixture
def bot(house: House) -> Credentials:
    return house.client("bot")


@contextmanager
def rotating(house: House) -> Iterator[Rotations]:
    house.wait(timedelta(seconds=1))
    with house.changing() as rooms:
        yield Rotations(rooms.clients, house.clock)
    house.services.tokens.changes.look()


def started(house: House) -> Credentials:
    with rotating(house) as rotations:
        return Credentials("bot", rotations.start("bot")[1])


def used(house: House, endpoint: TokenEndpoint, client: Credentials) -> None:
    assert endpoint.client_credentials(client).status == 200
    house.services.tokens.last_use.write()


def test_both_secrets_work_until_the_rotation_is_finished(
    house: House, token_endpoint: TokenEndpoint, bot: Credentials
):
    new = started(house)
    used(house, token_endpoint, bot)
    used(house, token_endpoint, new)
    house.wait(DAY)
    with rotating(house) as rotations:
        assert [secret.last_used_at is None for secret in rotations.finish("bot").old] == [False]
        assert rotations.find("bot") is None
    assert token_endpoint.client_credentials(bot).error == "invalid_client"
    used(house, token_endpoint, new)


def test_a_cancelled_rotation_leaves_the_old_secret(
    house: House, token_endpoint: TokenEndpoint, bot: Credentials
):
    new = started(house)
    with rotating(house) as rotations:
        rotations.cancel("bot")
        assert rotations.find("bot") is None
    assert token_endpoint.client_credentials(new).error == "invalid_client"
    used(house, token_endpoint, bot)


def test_an_old_secret_used_within_a_day_is_a_doubt(
    house: House, token_endpoint: TokenEndpoint, bot: Credentials
):
    new = started(house)
    used(house, token_endpoint, new)
    used(house, token_endpoint, bot)
    house.wait(DAY - timedelta(minutes=1))
    with rotating(house) as rotations, pytest.raises(NotAllowed, match="less than 24 hours ago"):
        rotations.finish("bot")
    used(house, token_endpoint, bot)
    with rotating(house) as rotations:
        rotations.finish("bot", anyway=True)
    assert token_endpoint.client_credentials(bot).error == "invalid_client"


def test_a_new_secret_that_was_never_used_is_a_doubt(house: House, bot: Credentials):
    started(house)
    house.wait(DAY)
    with rotating(house) as rotations, pytest.raises(NotAllowed, match="has never been used"):
        rotations.finish("bot")


def test_one_rotation_at_a_time_and_another_after_it(house: House, bot: Credentials):
    for _ in range(2):
        started(house)
        with rotating(house) as rotations, pytest.raises(NotAllowed, match="finish or cancel it"):
            rotations.start("bot")
        with rotating(house) as rotations:
            rotations.finish("bot", anyway=True)
            assert rotations.find("bot") is None


def test_a_secret_made_after_the_start_is_left_alone(house: House, bot: Credentials):
    started(house)
    house.wait(timedelta(seconds=1))
    house.secret(bot, label="github")
    with rotating(house) as rotations:
        assert len(rotations.finish("bot", anyway=True).old) == 1
    with house.changing() as rooms:
        labels = [secret.label for secret in rooms.clients.secrets("bot")]
    assert labels == ["rotation", "github"]


def test_without_a_rotation_there_is_nothing_to_finish_or_cancel(house: House, bot: Credentials):
    with rotating(house) as rotations:
        for end in (rotations.finish, rotations.cancel):
            with pytest.raises(NotAllowed, match="No rotation"):
                end("bot")
            with pytest.raises(NotFound):
                end("nobody")


def test_a_client_without_a_secret_has_nothing_to_rotate(house: House, bot: Credentials):
    with house.changing() as rooms:
        for secret in rooms.clients.secrets("bot"):
            rooms.clients.delete_secret("bot", secret.id)
    with rotating(house) as rotations, pytest.raises(NotAllowed, match="no secret to replace"):
        rotations.start("bot")
