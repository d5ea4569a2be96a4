"""A family is not created beside a change that ends all families."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from issuer.audiences import AudienceFields
from issuer.audit import Actor
from issuer.composition import UnitOfWork
from issuer.errors import InvalidCredentials
from issuer.refresh_tokens import TokenToStore
from issuer.refresh_tokens.family import request_digest
from issuer.tokens.authorization import Authorization
from issuer.tokens.issuing import RevokedUntil
from tests.builders import PASSWORD, Deployment
from tests.oauth.refreshing import events, families, in_a_family

Change = Callable[[Deployment, UnitOfWork, str], None]


def set_password(deployment: Deployment, work: UnitOfWork, user_id: str) -> None:
    work.users.set_password(user_id, deployment.services.sign_in.passwords.prepared(PASSWORD))


def disable_user(_: Deployment, work: UnitOfWork, user_id: str) -> None:
    work.users.update(user_id, {"disabled": True})


def delete_user(_: Deployment, work: UnitOfWork, user_id: str) -> None:
    work.users.delete(user_id)


def disable_client(_: Deployment, work: UnitOfWork, user_id: str) -> None:
    work.clients.update("app", {"disabled": True})


def remove_audience(_: Deployment, work: UnitOfWork, user_id: str) -> None:
    work.clients.update("app", {"audiences": []})


def delete_audience(_: Deployment, work: UnitOfWork, user_id: str) -> None:
    work.audiences.delete("my-os", cascade=True)


def recreate_audience(deployment: Deployment, work: UnitOfWork, user_id: str) -> None:
    delete_audience(deployment, work, user_id)
    work.audiences.create(AudienceFields(id="my-os"))
    work.clients.update("app", {"audiences": ["my-os"]})


def revoke_tokens_of_user(_: Deployment, work: UnitOfWork, user_id: str) -> None:
    work.users.revoke_tokens(user_id)


def revoke_tokens_of_client(_: Deployment, work: UnitOfWork, user_id: str) -> None:
    work.clients.revoke_tokens("app")


def rename(_: Deployment, work: UnitOfWork, user_id: str) -> None:
    work.users.update(user_id, {"name": "Alice"})


@pytest.mark.parametrize(
    "change",
    [
        *(set_password, disable_user, delete_user),
        *(disable_client, remove_audience, delete_audience),
    ],
)
def test_a_user_or_client_changed_during_sign_in_gets_no_refresh_token(
    deployment: Deployment, change: Change
):
    with pytest.raises(InvalidCredentials):
        begin_beside(deployment, change)
    assert families(deployment) == 0
    assert not events(deployment, "token.issued")


@pytest.mark.parametrize(
    "change", [recreate_audience, revoke_tokens_of_user, revoke_tokens_of_client]
)
def test_tokens_revoked_during_sign_in_make_the_request_wait(
    deployment: Deployment, change: Change
):
    """After the wait the request is authenticated and authorized again."""
    assert isinstance(begin_beside(deployment, change), RevokedUntil)
    assert families(deployment) == 0
    assert not events(deployment, "token.issued")


def test_other_changes_do_not_prevent_a_refresh_token(deployment: Deployment):
    assert begin_beside(deployment, rename).startswith("airt_")
    assert families(deployment) == len(events(deployment, "token.issued")) == 1


def begin_beside(deployment: Deployment, change: Change) -> str | RevokedUntil:
    """A sign-in that has checked the password, then the change, then the refresh token."""
    user_id, services = deployment.user("alice"), deployment.services
    deployment.client("app", grant_types=["password", "refresh_token"])
    user = services.tokens.directory.load_user(user_id)
    client = services.tokens.directory.load_client("app")
    authorization = Authorization.of_user(user, client, client.audiences["my-os"])
    authorization = in_a_family(deployment, authorization)
    access_token = services.tokens.issuer.issue(authorization, deployment.clock())
    with deployment.changing() as work:
        change(deployment, work, user_id)
    return services.tokens.refresh_tokens.begin(
        user, authorization, TokenToStore(access_token, Actor("app"), {})
    )


def test_many_families_are_created_rotated_and_revoked_concurrently(deployment: Deployment):
    """Without a deadlock, which PostgreSQL would end with an error after a second."""
    user_id, services = deployment.user("alice"), deployment.services
    deployment.client("app", grant_types=["password", "refresh_token"])
    user, client = (
        services.tokens.directory.load_user(user_id),
        services.tokens.directory.load_client("app"),
    )
    authorization = Authorization.of_user(user, client, client.audiences["my-os"])
    actor, asked = Actor("app"), request_digest(None, None)
    refresh_tokens = services.tokens.refresh_tokens

    def issue() -> TokenToStore:
        return TokenToStore(
            services.tokens.issuer.issue(authorization, deployment.clock()), actor, {}
        )

    def begin_use_and_revoke(_: int) -> bool:
        of_family = in_a_family(deployment, authorization)
        first = refresh_tokens.begin(user, of_family, issue())
        presented = refresh_tokens.present(first, "app", asked, actor)
        (second,) = refresh_tokens.use([refresh_tokens.use_of(presented, issue())])
        return refresh_tokens.revoke(second, "app", actor)

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(begin_use_and_revoke, range(24)))
    assert families(deployment) == 0
