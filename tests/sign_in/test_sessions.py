"""Sessions of people in browsers."""

from datetime import timedelta

import httpx
import pytest

from issuer.database.tables import SignInSessionRow
from issuer.errors import InvalidCredentials, NotFound
from tests.builders import PASSWORD, Deployment
from tests.oauth.refreshing import events, revoked_families
from tests.sign_in.authorizing import BROWSER, App, Person, sign_in


def is_active(person: Person) -> bool:
    return person.deployment.services.people.sessions.find(person.cookie) is not None


def rows(deployment: Deployment) -> int:
    with deployment.services.database.reading() as session:
        return session.query(SignInSessionRow).count()


def test_a_session_is_found_by_its_cookie_which_is_not_stored(alice: Person):
    sessions = alice.deployment.services.people.sessions
    assert sessions.find(alice.cookie) == alice.session
    assert sessions.find(alice.session.id) is None
    assert sessions.find(alice.cookie[:-1]) is None
    with alice.deployment.services.database.reading() as session:
        row = session.query(SignInSessionRow).one()
        assert alice.cookie.encode() not in row.digest
    (event,) = events(alice.deployment, "session.began")
    assert event.details == {"session": alice.session.id, "methods": ["pwd"]}
    assert alice.cookie not in repr(event.details)


def test_a_session_expires_when_it_is_not_used(alice: Person):
    for _ in range(3):
        alice.deployment.clock.move(timedelta(hours=7))
        assert is_active(alice)
    alice.deployment.clock.move(timedelta(hours=8))
    assert not is_active(alice)


def test_a_session_expires_however_often_it_is_used(alice: Person):
    for _ in range(120):
        alice.deployment.clock.move(timedelta(hours=7))
        if not is_active(alice):
            break
    lifetime = alice.deployment.clock() - alice.session.created_at
    assert timedelta(days=30) <= lifetime < timedelta(days=30, hours=7)


def test_the_use_of_a_session_is_written_at_most_once_a_minute(alice: Person):
    sessions = alice.deployment.services.people.sessions
    began = alice.session.used_at
    alice.deployment.clock.move(timedelta(seconds=59))
    sessions.find(alice.cookie)
    assert sessions.of_user(alice.user_id)[0].used_at == began
    alice.deployment.clock.move(timedelta(seconds=1))
    sessions.find(alice.cookie)
    assert sessions.of_user(alice.user_id)[0].used_at == alice.deployment.clock()


@pytest.mark.parametrize("change", ["password", "disabled", "deleted", "tokens"])
def test_what_ends_all_tokens_of_a_user_ends_the_sessions(alice: Person, change: str):
    other = sign_in(alice.deployment, alice.user_id)
    password = alice.deployment.services.sign_in.passwords.prepared(PASSWORD + "!")
    with alice.deployment.changing() as work:
        if change == "password":
            work.users.set_password(alice.user_id, password)
        elif change == "disabled":
            work.users.update(alice.user_id, {"disabled": True})
        elif change == "deleted":
            work.users.delete(alice.user_id)
        else:
            work.users.revoke_tokens(alice.user_id)
    assert not is_active(alice)
    assert not is_active(other)
    alice.deployment.services.people.sessions.delete_expired()
    assert rows(alice.deployment) == 0


def test_a_session_that_begins_after_that_is_active(alice: Person):
    with alice.deployment.changing() as work:
        work.users.revoke_tokens(alice.user_id)
    again = sign_in(alice.deployment, alice.user_id)
    assert is_active(again)
    alice.deployment.services.people.sessions.delete_expired()
    assert is_active(again)


def test_no_session_begins_for_a_user_who_was_changed_meanwhile(alice: Person):
    services = alice.deployment.services
    user = services.tokens.directory.load_user(alice.user_id)
    password = services.sign_in.passwords.prepared(PASSWORD + "!")
    with alice.deployment.changing() as work:
        work.users.set_password(alice.user_id, password)
    with pytest.raises(InvalidCredentials):
        services.people.sessions.begin(user, ("pwd",), BROWSER)


def test_a_renewed_session_has_a_new_cookie_and_the_old_one_is_void(alice: Person):
    """Against session fixation."""
    again = sign_in(alice.deployment, alice.user_id, renewing=alice.session)
    assert again.session.id == alice.session.id
    assert not is_active(alice)
    assert is_active(again)


def test_another_user_in_the_same_browser_ends_the_session(alice: Person):
    bob = alice.deployment.user("bob")
    in_her_browser = sign_in(alice.deployment, bob, renewing=alice.session)
    assert in_her_browser.session.id != alice.session.id
    assert not is_active(alice)


def test_a_session_that_waits_for_a_second_factor_opens_nothing(deployment: Deployment):
    sessions = deployment.services.people.sessions
    person = sign_in(deployment, deployment.user("carol"), second_factor_due=True)
    assert sessions.find(person.cookie) is None
    assert not events(deployment, "session.began")
    waiting = sessions.find_second_factor_due(person.cookie)
    complete, cookie = sessions.complete(waiting, ("otp", "mfa"), BROWSER)
    assert complete.methods == ("pwd", "otp", "mfa")
    assert sessions.find(cookie) == complete
    assert sessions.find_second_factor_due(person.cookie) is None
    late = sign_in(deployment, person.user_id, second_factor_due=True)
    deployment.clock.move(timedelta(minutes=10))
    assert sessions.find_second_factor_due(late.cookie) is None


@pytest.mark.parametrize("more_settings", [{"second_factor": "required"}])
def test_where_a_second_factor_is_required_a_session_without_one_opens_nothing(
    alice: Person, app: App
):
    """It began before that: the person signs in again, and it goes on."""
    sessions = alice.deployment.services.people.sessions
    assert not is_active(alice)
    assert "/sign-in?" in alice.visits(app).headers["location"]
    had = sessions.of_browser(alice.cookie)
    due = sign_in(alice.deployment, alice.user_id, second_factor_due=True, renewing=had)
    session, cookie = sessions.complete(due.session, ("otp", "mfa"), BROWSER)
    assert session.id == alice.session.id
    assert sessions.find(cookie) == session


def test_signing_out_ends_the_tokens_of_the_session(alice: Person, app: App):
    """One entry of the feed for each refresh family."""
    answer = alice.signs_in_to(app)
    family = app.endpoint.claims(answer)["sid"]
    alice.deployment.services.people.sessions.sign_out(alice.session, BROWSER)
    assert not is_active(alice)
    assert revoked_families(alice.deployment) == {family}
    assert app.refresh(answer.refresh_token).error == "invalid_grant"
    assert not app.endpoint.introspect(app.client, answer.token)["active"]
    (event,) = events(alice.deployment, "session.ended")
    assert event.details["families"] == 1


@pytest.mark.parametrize("waited", [timedelta(0), timedelta(minutes=11)])
def test_signing_out_while_a_second_factor_is_due_ends_the_session_before(
    alice: Person, app: App, waited: timedelta
):
    answer = alice.signs_in_to(app)
    sessions = alice.deployment.services.people.sessions
    due = sign_in(alice.deployment, alice.user_id, second_factor_due=True, renewing=alice.session)
    alice.deployment.clock.move(waited)
    sessions.sign_out(sessions.of_browser(due.cookie), BROWSER)
    assert rows(alice.deployment) == 0
    assert app.refresh(answer.refresh_token).error == "invalid_grant"
    (event,) = events(alice.deployment, "session.ended")
    assert event.details["session"] == alice.session.id


def test_a_sign_in_after_a_second_factor_that_never_came_continues_the_session(alice: Person):
    sessions = alice.deployment.services.people.sessions
    due = sign_in(alice.deployment, alice.user_id, second_factor_due=True, renewing=alice.session)
    alice.deployment.clock.move(timedelta(minutes=11))
    assert sessions.find_second_factor_due(due.cookie) is None
    again = sign_in(alice.deployment, alice.user_id, renewing=sessions.of_browser(due.cookie))
    assert again.session.id == alice.session.id
    assert rows(alice.deployment) == 1


def test_offline_access_outlasts_a_sign_out_but_not_an_operator(alice: Person, app: App):
    answer = alice.signs_in_to(app, scope="openid offline_access")
    alice.deployment.services.people.sessions.sign_out(alice.session, BROWSER)
    answer = app.refresh(answer.refresh_token)
    assert answer.status == 200
    again = sign_in(alice.deployment, alice.user_id)
    offline = again.signs_in_to(app, scope="openid offline_access")
    with alice.deployment.changing() as work:
        work.sessions.end(alice.user_id, again.session.id)
    assert app.refresh(offline.refresh_token).error == "invalid_grant"
    assert app.refresh(answer.refresh_token).status == 200


def test_an_operator_cannot_end_a_session_that_does_not_exist(alice: Person):
    bob = alice.deployment.user("bob")
    with pytest.raises(NotFound), alice.deployment.changing() as work:
        work.sessions.end(bob, alice.session.id)
    assert is_active(alice)


def test_expired_sessions_are_deleted(alice: Person):
    alice.deployment.clock.move(timedelta(hours=8))
    assert rows(alice.deployment) == 1
    alice.deployment.services.people.sessions.delete_expired()
    assert rows(alice.deployment) == 0


def test_a_session_goes_on_after_a_second_factor_with_a_new_cookie(alice: Person, app: App):
    answer = alice.signs_in_to(app, scope="openid offline_access")
    sessions = alice.deployment.services.people.sessions
    due = sign_in(alice.deployment, alice.user_id, second_factor_due=True, renewing=alice.session)
    assert is_active(alice)
    session, cookie = sessions.complete(due.session, ("otp", "mfa"), BROWSER)
    assert session.id == alice.session.id
    assert session.created_at == alice.session.created_at
    assert session.methods == ("pwd", "otp", "mfa")
    assert sessions.find(cookie) == session
    assert not is_active(alice)
    assert sessions.of_browser(due.cookie) is None
    assert [each.id for each in sessions.of_user(alice.user_id)] == [session.id]
    assert rows(alice.deployment) == 1
    assert app.refresh(answer.refresh_token).status == httpx.codes.OK


def test_a_second_factor_that_is_asked_for_again_continues_the_same_session(alice: Person):
    sessions = alice.deployment.services.people.sessions
    person = alice
    for _ in range(2):
        person = sign_in(
            alice.deployment, alice.user_id, second_factor_due=True, renewing=person.session
        )
    session, _ = sessions.complete(person.session, ("otp", "mfa"), BROWSER)
    assert session.id == alice.session.id
    assert rows(alice.deployment) == 1


def test_another_user_ends_the_session_that_a_second_factor_would_continue(alice: Person):
    due = sign_in(alice.deployment, alice.user_id, second_factor_due=True, renewing=alice.session)
    bob = sign_in(alice.deployment, alice.deployment.user("bob"), renewing=due.session)
    assert not is_active(alice)
    assert is_active(bob)
    with pytest.raises(InvalidCredentials):
        alice.deployment.services.people.sessions.complete(due.session, ("otp",), BROWSER)


def test_a_session_that_ended_meanwhile_is_not_continued(alice: Person):
    sessions = alice.deployment.services.people.sessions
    due = sign_in(alice.deployment, alice.user_id, second_factor_due=True, renewing=alice.session)
    sessions.sign_out(alice.session, BROWSER)
    session, cookie = sessions.complete(due.session, ("otp", "mfa"), BROWSER)
    assert session.id == due.session.id
    assert sessions.find(cookie) == session
    with pytest.raises(InvalidCredentials):
        sessions.complete(alice.session, ("otp",), BROWSER)
