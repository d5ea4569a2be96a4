"""`/users/{id}/sessions` and `/users/{id}/consents`."""

from collections.abc import Callable
from datetime import timedelta

from tests.drivers import AdminApi, problem
from tests.sign_in.authorizing import App, Person, sign_in


def test_sessions_are_listed_newest_first_without_their_cookies(admin: AdminApi, alice: Person):
    second = sign_in(alice.deployment, alice.user_id)
    response = admin.get(f"/users/{alice.user_id}/sessions")
    items = response.json()["items"]
    assert {each["id"] for each in items} == {alice.session.id, second.session.id}
    assert items[0].keys() == {
        *("id", "user_id", "created_at", "authenticated_at", "used_at"),
        *("methods", "address", "user_agent", "second_factor_due", "trusted_issuer"),
    }
    assert alice.cookie not in response.text
    page = admin.get(f"/users/{alice.user_id}/sessions?limit=1").json()
    rest = admin.get(f"/users/{alice.user_id}/sessions?cursor={page['next_cursor']}").json()
    assert len(page["items"]) + len(rest["items"]) == 2


def test_a_session_is_ended_with_its_tokens(admin: AdminApi, alice: Person, app: App):
    answer = alice.signs_in_to(app, scope="openid offline_access")
    path = f"/users/{alice.user_id}/sessions/{alice.session.id}"
    assert problem(admin.delete(path, headers={"If-Match": '"x"'})) == (412, "precondition-failed")
    assert admin.delete(path).status_code == 204
    assert app.refresh(answer.refresh_token).error == "invalid_grant"
    assert problem(admin.delete(path)) == (404, "not-found")
    assert admin.get(f"/users/{alice.user_id}/sessions").json()["items"] == []


def test_consents_are_listed_and_withdrawn(admin: AdminApi, alice: Person, app: App):
    answer = alice.signs_in_to(app, scope="openid agents:run")
    (consent,) = admin.get(f"/users/{alice.user_id}/consents").json()["items"]
    assert consent.pop("granted_at")
    assert consent == {
        "client_id": "app",
        "audience": "my-os",
        "scopes": ["agents:run"],
        "openid_scopes": ["openid"],
        "redirect_uris": [app.redirect_uri],
        "acting": [],
    }
    assert admin.delete(f"/users/{alice.user_id}/consents/app").status_code == 204
    assert app.refresh(answer.refresh_token).error == "invalid_grant"
    assert problem(admin.delete(f"/users/{alice.user_id}/consents/app")) == (404, "not-found")


def test_an_unknown_user_has_none(admin: AdminApi):
    for path in ("/users/nobody/sessions", "/users/nobody/consents"):
        assert problem(admin.get(path)) == (404, "not-found")


def test_only_admins_change_those_of_a_user_with_rights_at_the_issuer(
    admin: AdminApi, holder_of: Callable[..., AdminApi], alice: Person, app: App
):
    operator = holder_of("issuer:users:write")
    alice.deployment.role("key-readers", ["issuer:keys:read"])
    assigned = f"/users/{alice.user_id}/roles/key-readers?everywhere=true"
    assert admin.put(assigned).status_code == 204
    alice.deployment.wait(timedelta(seconds=1))  # the promotion ended her session
    alice = sign_in(alice.deployment, alice.user_id)
    alice.allows(app)
    paths = [
        f"/users/{alice.user_id}/sessions/{alice.session.id}",
        f"/users/{alice.user_id}/consents/app",
    ]
    for path in paths:
        assert problem(operator.delete(path)) == (403, "forbidden")
    assert admin.delete(assigned).status_code == 204
    for path in paths:
        assert operator.delete(path).status_code == 204
