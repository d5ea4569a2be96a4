"""`/users/{id}/factors` and `/users/{id}/invitation`."""

import json
from datetime import datetime, timedelta

import pytest

from tests.builders import PASSWORD, URL, Deployment, FakeClock
from tests.drivers import AdminApi, TokenDriver, problem
from tests.sign_in.people import People


@pytest.fixture
def people(deployment: Deployment, clock: FakeClock) -> People:
    return People(deployment, clock)


def test_factors_are_listed_without_secrets(admin: AdminApi, people: People):
    alice = people.deployment.user(id="alice")
    app, _ = people.app_of(alice), people.passkey_of(alice)
    listed = admin.get("/users/alice/factors")
    assert [each["kind"] for each in listed.json()["items"]] == ["passkey", "totp"]
    assert listed.json()["items"][1].keys() == {"id", "kind", "name", "created_at", "last_used_at"}
    assert app.secret not in listed.text
    page = admin.get("/users/alice/factors?limit=1").json()
    assert page["next_cursor"] is not None


def test_deleting_a_factor_ends_what_the_user_is_signed_in_to(
    admin: AdminApi, people: People, token_endpoint: TokenDriver
):
    client = people.deployment.client(grant_types=["password", "refresh_token"])
    alice = people.deployment.user(id="alice")
    signed_in = token_endpoint.password(client, "alice")
    people.app_of(alice)
    factor = admin.get("/users/alice/factors").json()["items"][0]["id"]
    assert problem(
        admin.delete(f"/users/alice/factors/{factor}", headers={"If-Match": '"other"'})
    ) == (412, "precondition-failed")
    assert admin.delete(f"/users/alice/factors/{factor}").status_code == 204
    assert problem(admin.delete(f"/users/alice/factors/{factor}")) == (404, "not-found")
    assert token_endpoint.refresh(client, signed_in.refresh_token).error == "invalid_grant"
    assert token_endpoint.password(client, "alice").status == 200


def test_a_reset_removes_all_factors(admin: AdminApi, people: People):
    alice = people.deployment.user(id="alice")
    app, _ = people.app_of(alice), people.passkey_of(alice)
    assert admin.delete("/users/alice/factors").status_code == 204
    assert admin.get("/users/alice/factors").json()["items"] == []
    assert people.check(alice, app.recovery_codes[0]) == "wrong code"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/users/nobody/factors"),
        ("DELETE", "/users/nobody/factors"),
        ("DELETE", "/users/nobody/factors/totp_1"),
        ("DELETE", "/users/nobody/invitation"),
        ("DELETE", "/users/alice/invitation"),
    ],
)
def test_what_does_not_exist_is_404(admin: AdminApi, people: People, method: str, path: str):
    people.deployment.user(id="alice")
    assert problem(admin(method, path)) == (404, "not-found")


def test_an_invitation_is_a_link_that_is_shown_once(
    admin: AdminApi, people: People, clock: FakeClock
):
    people.deployment.user(id="alice", password=None)
    created = admin.post("/users/alice/invitation", lifetime=3600)
    assert created.status_code == 201
    assert created.headers["cache-control"] == "no-store"
    assert created.headers["location"] == f"{URL}/admin/v1/users/alice/invitation"
    assert created.json().keys() == {"url", "expires_at"}
    assert created.json()["url"].startswith(f"{URL}/invitation/")
    expires_at = datetime.fromisoformat(created.json()["expires_at"])
    assert expires_at == clock() + timedelta(hours=1)
    token = created.json()["url"].rpartition("/")[2]
    events = admin.get("/audit-events", params={"target": "alice"}).json()
    assert "invitation.created" in json.dumps(events)
    assert token not in json.dumps(events)
    assert admin.delete("/users/alice/invitation").status_code == 204


def test_an_invitation_for_a_disabled_user_is_refused(admin: AdminApi, people: People):
    people.deployment.user(id="alice", disabled=True)
    assert problem(admin.post("/users/alice/invitation")) == (409, "not-allowed")
    assert problem(admin.post("/users/alice/invitation", lifetime=1)) == (422, "invalid-fields")
    assert problem(admin.post("/users/alice/invitation", password=PASSWORD))[0] == 422
