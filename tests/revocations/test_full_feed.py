"""Who takes space in the revocation feed, and what a full one leaves possible."""

from collections.abc import Callable
from typing import Any

import pytest

from issuer.audit import EventFilter
from issuer.database.tables import UserRow
from issuer.revocations.share import FeedLimits
from tests.admin.scim.driver import scim_of
from tests.authority.test_tokens_of_admins import signed_in
from tests.builders import URL, Credentials, Deployment
from tests.drivers import AdminApi, TokenDriver, problem
from tests.revocations.feed import Feed

HolderOf = Callable[..., AdminApi]


@pytest.fixture
def holder_of(deployment: Deployment, token_endpoint: TokenDriver) -> HolderOf:
    def hold(*scopes: str) -> AdminApi:
        client = deployment.client(scopes=list(scopes), audiences=[URL])
        return AdminApi(deployment.http, token_endpoint.client_credentials(client).token)

    return hold


@pytest.fixture
def web(deployment: Deployment) -> Credentials:
    grants = ["password", "refresh_token"]
    return deployment.client("web", grant_types=grants, user_rights="all")


def entries(deployment: Deployment) -> dict[str, Any]:
    return Feed.of(deployment.http).revoked["sub"]


def test_users_who_never_could_sign_in_take_no_space(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """A provisioning client makes as many as it wants, and ends them."""
    scim = scim_of(deployment, token_endpoint)
    disable = {"op": "replace", "path": "active", "value": False}
    for number in range(3):
        user = scim.create(f"user-{number}")["id"]
        assert scim.patch(f"/Users/{user}", disable).status_code == 200
        if number:
            assert scim("DELETE", f"/Users/{user}").status_code == 204
    assert entries(deployment) == {}


def test_somebody_with_a_session_alone_takes_space(
    deployment: Deployment, token_endpoint: TokenDriver, web: Credentials
):
    """A refresh token is enough, whatever became of the password."""
    deployment.user("alice", id="alice")
    assert signed_in(token_endpoint, web, "my-os").refresh_token
    with deployment.changing() as work:
        work._session.get_one(UserRow, "alice").password_hash = None
        work.users.update("alice", {"disabled": True})
    assert entries(deployment).keys() == {"alice"}


def test_with_a_full_feed_users_are_disabled_and_deleted_and_the_answer_says_what_stays_valid(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    web: Credentials,
    holder_of: HolderOf,
    monkeypatch: pytest.MonkeyPatch,
):
    for name in ("alice", "bob", "carol"):
        deployment.user(name, id=name)
    given = signed_in(token_endpoint, web, "my-os")
    helpdesk = holder_of("issuer:users:write")
    full = property(lambda _: 1)
    monkeypatch.setattr(FeedLimits, "principal_bytes_of_operators", full)
    disabled = helpdesk.patch("/users/alice", disabled=True)
    assert disabled.status_code == 200, disabled.text
    assert disabled.json()["disabled"] is True
    (warning,) = disabled.json()["warnings"]
    assert warning.endswith("access tokens of these stay valid until they expire: alice.")
    assert entries(deployment) == {}
    with deployment.services.administration.reading() as work:
        (event,) = work.audit_log.page(EventFilter(action="token.revoked"), None, 10)
    assert (event.target, event.details["access_tokens_revoked"]) == ("alice", False)
    # Enabled again, the refresh token of before is none.
    assert helpdesk.patch("/users/alice", disabled=False).status_code == 200
    assert token_endpoint.refresh(web, given.refresh_token).error == "invalid_grant"
    assert helpdesk.delete("/users/bob").status_code == 204
    # Where nothing but the tokens is asked for, nothing is done.
    refused = helpdesk("POST", "/users/carol/revoke-tokens")
    assert problem(refused) == (409, "not-allowed")
    assert int(refused.headers["retry-after"]) > 0


def test_an_admin_has_space_where_others_have_none(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    deployment.user("alice", id="alice")
    monkeypatch.setattr(FeedLimits, "principal_bytes_of_operators", property(lambda _: 1))
    with deployment.changing() as work:
        work.users.update("alice", {"disabled": True})
    assert entries(deployment).keys() == {"alice"}
