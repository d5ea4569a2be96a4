"""Refresh tokens of people: without `offline_access` they need the session they began in."""

from datetime import datetime, timedelta

import pytest

from tests.builders import Deployment
from tests.drivers import TokenAnswer
from tests.oauth.refreshing import events
from tests.sign_in.authorizing import App, Person, sign_in

IDLE = timedelta(hours=8)


def used_at(person: Person) -> datetime:
    (session,) = person.deployment.services.people.sessions.of_user(person.user_id)
    return session.used_at


def delete_expired(deployment: Deployment) -> None:
    deployment.services.people.delete_expired()
    deployment.services.tokens.refresh_tokens.delete_expired()


def assert_refused(app: App, deployment: Deployment, answer: TokenAnswer) -> None:
    refused = app.refresh(answer.refresh_token)
    assert refused.error == "invalid_grant"
    assert refused.body["error_description"] == "The refresh token cannot be used."
    event = events(deployment, "token.refused")[-1]
    assert event.reason == "the session of the refresh token ended"
    assert not app.endpoint.introspect(app.client, answer.refresh_token)["active"]


def test_refreshing_is_no_use_of_the_session(alice: Person, app: App):
    """Else an application that runs by itself would keep a browser signed in for ever."""
    answer, began = alice.signs_in_to(app, scope="openid agents:run"), used_at(alice)
    for _ in range(2):
        alice.deployment.wait(IDLE / 2 - timedelta(minutes=1))
        answer = app.refresh(answer.refresh_token)
        assert answer.status == 200
        assert used_at(alice) == began
    alice.deployment.wait(timedelta(minutes=2))
    assert alice.deployment.services.people.sessions.find(alice.cookie) is None
    assert_refused(app, alice.deployment, answer)


@pytest.mark.parametrize("deleted", [False, True])
def test_it_ends_when_the_session_was_not_used(alice: Person, app: App, deleted: bool):
    answer = alice.signs_in_to(app)
    alice.deployment.wait(IDLE)
    if deleted:
        delete_expired(alice.deployment)
    assert_refused(app, alice.deployment, answer)


@pytest.mark.parametrize("more_settings", [{"session_ttl": "10h"}])
def test_it_ends_with_the_longest_lifetime_of_the_session(alice: Person, app: App):
    answer = alice.signs_in_to(app)
    for _ in range(2):
        alice.deployment.wait(timedelta(hours=4))
        assert alice.deployment.services.people.sessions.find(alice.cookie) is not None
        answer = app.refresh(answer.refresh_token)
        assert answer.status == 200
    alice.deployment.wait(timedelta(hours=2))
    assert_refused(app, alice.deployment, answer)


def test_a_use_of_the_session_elsewhere_keeps_it(alice: Person, app: App):
    answer = alice.signs_in_to(app)
    alice.deployment.wait(timedelta(hours=6))
    assert alice.deployment.services.people.sessions.find(alice.cookie) is not None
    alice.deployment.wait(timedelta(hours=6))
    assert app.refresh(answer.refresh_token).status == 200


def test_another_session_of_the_user_is_of_no_use_to_it(alice: Person, app: App):
    answer = alice.signs_in_to(app)
    alice.deployment.wait(IDLE)
    sign_in(alice.deployment, alice.user_id)
    assert_refused(app, alice.deployment, answer)


def test_with_offline_access_it_needs_no_session(alice: Person, app: App):
    answer = alice.signs_in_to(app, scope="openid offline_access")
    alice.deployment.wait(timedelta(hours=7))
    answer = app.refresh(answer.refresh_token)
    alice.deployment.wait(timedelta(hours=1))
    delete_expired(alice.deployment)
    assert app.refresh(answer.refresh_token).status == 200


def test_introspection_says_until_when_both_can_last(alice: Person, app: App):
    short, offline = alice.signs_in_to(app), alice.signs_in_to(app, scope="openid offline_access")
    now = alice.deployment.clock().timestamp()
    ends = [
        app.endpoint.introspect(app.client, answer.refresh_token)["exp"] - int(now)
        for answer in (short, offline)
    ]
    assert ends == [IDLE.total_seconds(), timedelta(days=14).total_seconds()]


def test_its_client_can_revoke_it_after_the_session(alice: Person, app: App):
    answer = alice.signs_in_to(app)
    alice.deployment.wait(IDLE)
    app.endpoint.revoke(app.client, answer.refresh_token)
    assert events(alice.deployment, "refresh.revoked")
