"""Listing, removing and resetting second factors; what they change elsewhere."""

import pytest

from issuer.composition import compose
from issuer.errors import Forbidden, InvalidCredentials, NotAllowed, NotFound
from issuer.provisioning.setup import change_master_key
from issuer.roles import Assignment
from tests.builders import OPERATOR, PASSWORD, Credentials, Deployment
from tests.drivers import TokenDriver
from tests.sign_in.people import HOME, People

USERS_WRITE = ["issuer:users:write"]


@pytest.fixture
def app_client(deployment: Deployment) -> Credentials:
    return deployment.client(grant_types=["password", "refresh_token"])


def test_factors_are_listed_without_secrets(people: People, deployment: Deployment):
    people.app_of(alice := deployment.user())
    people.passkey_of(alice)
    with deployment.changing() as work:
        listed = [each.model_dump() for each in work.factors.of_user(alice)]
    assert [(each["kind"], each["name"]) for each in listed] == [
        ("passkey", "Laptop"),
        ("totp", "Authenticator app"),
    ]
    assert {name for each in listed for name in each} == {
        "id",
        "kind",
        "name",
        "created_at",
        "last_used_at",
    }


def test_recovery_codes_come_with_the_first_factor_and_go_with_the_last(
    people: People, deployment: Deployment
):
    app = people.app_of(alice := deployment.user())
    people.passkey_of(alice)
    with deployment.changing() as work:
        assert work.factors.recovery_codes_left(alice) == 10
        passkey, totp = work.factors.of_user(alice)
        work.factors.remove(alice, totp.id)
        assert work.factors.recovery_codes_left(alice) == 10
        work.factors.remove(alice, passkey.id)
        assert work.factors.recovery_codes_left(alice) == 0
    assert people.check(alice, app.recovery_codes[0]) == "wrong code"
    assert deployment.services.sign_in.sign_in.authenticate("alice", PASSWORD).id == alice


def test_the_password_grant_answers_a_user_with_a_second_factor_as_a_wrong_password(
    people: People, deployment: Deployment, token_endpoint: TokenDriver, app_client: Credentials
):
    people.app_of(deployment.user())
    refused = token_endpoint.password(app_client, "alice", PASSWORD)
    wrong = token_endpoint.password(app_client, "alice", "not the password at all")
    assert refused.body == wrong.body
    assert refused.error == "invalid_grant"


@pytest.mark.parametrize("more_settings", [{"second_factor": "required"}])
def test_the_password_grant_refuses_everybody_where_a_second_factor_is_required(
    deployment: Deployment, token_endpoint: TokenDriver, app_client: Credentials
):
    alice = deployment.user()
    assert token_endpoint.password(app_client, "alice").error == "invalid_grant"
    sign_in = deployment.services.sign_in.sign_in
    with pytest.raises(InvalidCredentials) as refused:
        sign_in.authenticate("alice", PASSWORD)
    assert refused.value.reason == "second factor required"
    assert sign_in.authenticate_first_factor("alice", PASSWORD).id == alice


def test_a_reset_removes_everything_and_revokes_tokens(people: People, deployment: Deployment):
    people.app_of(alice := deployment.user())
    people.passkey_of(alice)
    with deployment.changing() as work:
        work.factors.reset(alice)
        assert work.factors.of_user(alice) == []
        assert work.factors.recovery_codes_left(alice) == 0
    assert feed_of(deployment).keys() == {alice}


def test_only_an_admin_changes_factors_of_users_with_rights_at_the_issuer(
    people: People, deployment: Deployment
):
    people.app_of(alice := deployment.user())
    people.app_of(bob := deployment.user("bob"))
    deployment.role("reader", ["issuer:audit:read"])
    administration = deployment.services.administration
    with deployment.changing() as work:
        work.assignments.assign(alice, Assignment(role="reader"))
        factor = work.factors.of_user(alice)[0].id
    for change in (
        lambda work: work.factors.reset(alice),
        lambda work: work.factors.revoke(alice, factor),
        lambda work: work.factors.renew_recovery_codes(alice),
    ):
        with pytest.raises(Forbidden), administration.changing(OPERATOR, USERS_WRITE) as work:
            change(work)
    with administration.changing(OPERATOR, USERS_WRITE) as work:
        work.factors.reset(bob)


def test_the_only_passkey_of_a_user_without_a_password_is_removed_by_an_administrator_alone(
    people: People, deployment: Deployment
):
    bob = deployment.user("bob", password=None)
    people.passkey_of(bob)
    with pytest.raises(NotAllowed, match="Set a password first"), deployment.changing() as work:
        work.factors.remove(bob, work.factors.of_user(bob)[0].id)
    with deployment.changing() as work:
        work.factors.revoke(bob, work.factors.of_user(bob)[0].id)
        assert work.factors.of_user(bob) == []


def test_refresh_tokens_of_the_password_grant_end_with_the_first_second_factor(
    people: People, deployment: Deployment, token_endpoint: TokenDriver, app_client: Credentials
):
    alice = deployment.user()
    signed_in = token_endpoint.password(app_client, "alice", PASSWORD)
    people.app_of(alice)
    assert token_endpoint.refresh(app_client, signed_in.refresh_token).error == "invalid_grant"


def test_a_factor_of_another_user_is_not_found(people: People, deployment: Deployment):
    people.app_of(alice := deployment.user())
    bob = deployment.user("bob")
    with deployment.changing() as work:
        factor = work.factors.of_user(alice)[0]
        with pytest.raises(NotFound):
            work.factors.remove(bob, factor.id)


def test_factors_do_not_come_back_with_the_id(people: People, deployment: Deployment):
    app = people.app_of(alice := deployment.user(id="alice"))
    with deployment.changing() as work:
        work.users.delete(alice)
    deployment.user(id="alice")
    assert people.check(alice, app.recovery_codes[0]) == "wrong code"
    assert deployment.services.sign_in.sign_in.authenticate("alice", PASSWORD).id == alice


def test_changes_are_audited_without_secrets(people: People, deployment: Deployment):
    people.app_of(alice := deployment.user())
    with deployment.changing() as work:
        factor = work.factors.of_user(alice)[0]
        work.factors.reset(alice)
    expected = {"factor_id": factor.id, "kind": "totp"}
    assert people.events("factor.added") == [expected]
    assert people.events("factor.removed") == [expected]
    assert people.events("user.factors_reset") == [{}]


def test_an_app_works_after_the_master_key_was_changed(people: People, deployment: Deployment):
    app = people.app_of(alice := deployment.user())
    change_master_key(deployment.services.settings, OPERATOR)
    restarted = compose(deployment.services.settings, deployment.clock)
    restarted.factors.second_factor.check_code(alice, app.code(), HOME)
    restarted.database.dispose()


def feed_of(deployment: Deployment) -> dict[str, int]:
    """The users whose tokens are revoked."""
    return dict(deployment.services.tokens.revocations.revoked.subjects)
