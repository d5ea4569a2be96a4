"""A family does not begin beside the change that ends all of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from issuer.audiences import AudienceFields
from issuer.audit import Actor
from issuer.composition import UnitOfWork
from issuer.errors import InvalidCredentials
from issuer.refresh import Asked, Issue
from issuer.tokens import Authorization, NotBefore
from tests.builders import PASSWORD, House
from tests.oauth.refreshing import events, families, in_a_family

Change = Callable[[House, UnitOfWork, str], None]


def set_password(house: House, rooms: UnitOfWork, user_id: str) -> None:
    rooms.users.set_password(user_id, house.services.sign_in.passwords.prepared(PASSWORD))


def disable_user(_: House, rooms: UnitOfWork, user_id: str) -> None:
    rooms.users.update(user_id, {"disabled": True})


def delete_user(_: House, rooms: UnitOfWork, user_id: str) -> None:
    rooms.users.delete(user_id)


def disable_client(_: House, rooms: UnitOfWork, user_id: str) -> None:
    rooms.clients.update("app", {"disabled": True})


def take_audience(_: House, rooms: UnitOfWork, user_id: str) -> None:
    rooms.clients.update("app", {"audiences": []})


def delete_audience(_: House, rooms: UnitOfWork, user_id: str) -> None:
    rooms.audiences.delete("my-os", cascade=True)


def make_audience_again(house: House, rooms: UnitOfWork, user_id: str) -> None:
    delete_audience(house, rooms, user_id)
    rooms.audiences.create(AudienceFields(id="my-os"))
    rooms.clients.update("app", {"audiences": ["my-os"]})


def revoke_tokens_of_user(_: House, rooms: UnitOfWork, user_id: str) -> None:
    rooms.users.revoke_tokens(user_id)


def revoke_tokens_of_client(_: House, rooms: UnitOfWork, user_id: str) -> None:
    rooms.clients.revoke_tokens("app")


def rename(_: House, rooms: UnitOfWork, user_id: str) -> None:
    rooms.users.update(user_id, {"name": "Alice"})


@pytest.mark.parametrize(
    "change",
    [
        *(set_password, disable_user, delete_user),
        *(disable_client, take_audience, delete_audience),
    ],
)
def test_who_was_changed_while_signing_in_gets_no_refresh_token(house: House, change: Change):
    with pytest.raises(InvalidCredentials):
        begin_beside(house, change)
    assert families(house) == 0
    assert not events(house, "token.issued")


@pytest.mark.parametrize(
    "change", [make_audience_again, revoke_tokens_of_user, revoke_tokens_of_client]
)
def test_whose_tokens_were_revoked_while_signing_in_has_to_wait(house: House, change: Change):
    """Everything is checked anew then: whoever still may gets a refresh token."""
    assert isinstance(begin_beside(house, change), NotBefore)
    assert families(house) == 0
    assert not events(house, "token.issued")


def test_another_change_is_no_obstacle(house: House):
    assert begin_beside(house, rename).startswith("airt_")
    assert families(house) == len(events(house, "token.issued")) == 1


def begin_beside(house: House, change: Change) -> str | NotBefore:
    """A sign-in that has checked the password, then the change, then the refresh token."""
    user_id, services = house.user("alice"), house.services
    house.client("app", grant_types=["password", "refresh_token"])
    user = services.tokens.directory.load_user(user_id)
    client = services.tokens.directory.load_client("app")
    authorization = Authorization.of_user(user, client, client.audiences["my-os"])
    authorization = in_a_family(house, authorization)
    access_token = services.tokens.issuer.issue(authorization, house.clock())
    with house.changing() as rooms:
        change(house, rooms, user_id)
    return services.tokens.refresh_tokens.begin(
        user, authorization, Issue(access_token, Actor("app"), {})
    )


def test_many_begin_and_go_on_at_once(house: House):
    """Nobody waits for who waits for them, which PostgreSQL ends by an error after a second."""
    user_id, services = house.user("alice"), house.services
    house.client("app", grant_types=["password", "refresh_token"])
    user, client = (
        services.tokens.directory.load_user(user_id),
        services.tokens.directory.load_client("app"),
    )
    authorization = Authorization.of_user(user, client, client.audiences["my-os"])
    actor, asked = Actor("app"), Asked(None, None)

    def issue() -> Issue:
        return Issue(services.tokens.issuer.issue(authorization, house.clock()), actor, {})

    def begin_and_go_on(_: int) -> bool:
        of_family = in_a_family(house, authorization)
        first = services.tokens.refresh_tokens.begin(user, of_family, issue())
        presented = services.tokens.refresh_tokens.present(first, "app", asked, actor)
        second = services.tokens.refresh_tokens.use(presented, issue())
        return services.tokens.refresh_tokens.revoke(second, "app", actor)

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(begin_and_go_on, range(24)))
    assert families(house) == 0
