"""Roles and scopes that end, in the admin API."""

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from issuer.database.tables import ClientRow, ClientScopeExpiryRow
from tests.builders import URL, Deployment
from tests.drivers import AdminApi, TokenDriver
from tests.oauth.refreshing import events

PATH = "/clients/ci/roles/runner?audience=my-os"
END = "2026-11-25T12:10:00Z"


@pytest.fixture(autouse=True)
def ci(deployment: Deployment) -> None:
    deployment.role("runner", ["agents:run"])
    deployment.client("ci", scopes=["agents:read"])


def roles(admin: AdminApi) -> list[dict[str, object]]:
    return admin.get("/clients/ci/roles").json()["items"]


def test_a_role_is_assigned_until_an_end_with_a_reason(admin: AdminApi, deployment: Deployment):
    assigned = admin.put(PATH, json={"expires_at": END, "reason": "Ticket 4711"})
    assert assigned.status_code == 204, assigned.text
    assert roles(admin) == [{"role": "runner", "audience": "my-os", "expires_at": END, "via": None}]
    event = events(deployment, "role.assigned")[-1]
    assert event.details["reason"] == "Ticket 4711"
    deployment.wait(timedelta(minutes=10))
    assert roles(admin) == []
    assert admin.delete(PATH).status_code == 404


def test_assigning_it_again_changes_the_end_and_without_one_it_lasts(admin: AdminApi):
    for body in ({"expires_at": END}, {"expires_at": "2027-01-01T00:00:00+01:00"}, {}):
        assert admin.put(PATH, json=body).status_code == 204
    assert [each["expires_at"] for each in roles(admin)] == [None]


def test_it_is_changed_only_if_nobody_else_changed_it(admin: AdminApi):
    admin.put(PATH, json={"expires_at": END})
    refused = admin.put(PATH, json={}, headers={"If-Match": '"other"'})
    assert refused.status_code == 412
    assert [each["expires_at"] for each in roles(admin)] == [END]


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({"expires_at": "2026-11-25T11:00:00Z"}, "expires_at"),
        ({"expires_at": "2026-11-25T20:00:00"}, "expires_at"),
        ({"expires_at": 1}, "expires_at"),
        ({"reason": "a\nb"}, "reason"),
        ({"until": END}, "until"),
    ],
)
def test_other_ends_and_reasons_are_refused(admin: AdminApi, body: dict[str, object], member: str):
    refused = admin.put(PATH, json=body)
    assert refused.status_code == 422, refused.text
    assert [each["field"] for each in refused.json()["errors"]] == [member]
    assert roles(admin) == []


def test_unassigning_takes_a_reason(admin: AdminApi, deployment: Deployment):
    admin.put(PATH)
    assert admin.delete(f"{PATH}&reason=Ticket%204712").status_code == 204
    assert events(deployment, "role.unassigned")[-1].details["reason"] == "Ticket 4712"


@pytest.fixture
def helpdesk(holder_of: Callable[..., AdminApi]) -> AdminApi:
    return holder_of("issuer:clients:write", "issuer:users:write")


def test_only_an_administrator_moves_an_end_of_rights_at_the_issuer(
    admin: AdminApi, helpdesk: AdminApi, deployment: Deployment
):
    """Later, earlier, or to never."""
    deployment.role("auditor", ["issuer:audit:read"])
    path = "/clients/ci/roles/auditor?everywhere=true"

    def moved(by: AdminApi, end: str | None) -> httpx.Response:
        return by.put(path, json={"expires_at": end, "keep_credentials": [secret]})

    secret = admin.get("/clients/ci/secrets").json()["items"][0]["id"]
    assert moved(admin, END).status_code == 204
    for end in ("2026-11-25T13:00:00Z", "2026-11-26T13:00:00Z", None):
        assert moved(helpdesk, end).status_code == 403
        assert helpdesk.delete(path).status_code == 403
        assert helpdesk.post("/clients/ci/secrets").status_code == 403


def test_who_lost_rights_at_the_issuer_begins_clean_when_they_are_assigned_again(
    admin: AdminApi, holder_of: Callable[..., AdminApi], deployment: Deployment
):
    """A secret that a helpdesk made after the end is none of an administrator of the issuer."""
    deployment.role("auditor", ["issuer:audit:read"])
    path = "/clients/ci/roles/auditor?everywhere=true"
    assert admin.put(path, json={"expires_at": END}).status_code == 204
    deployment.wait(timedelta(minutes=10))
    deployment.services.administration.delete_expired_rights()
    helpdesk = holder_of("issuer:clients:write")
    made = helpdesk.post("/clients/ci/secrets")
    assert made.status_code == 201, made.text
    again = AdminApi(deployment.http, admin_token(deployment))
    refused = again.put(path, json={"expires_at": "2027-01-01T00:00:00Z"})
    assert refused.status_code == 409
    assert [each["id"] for each in refused.json()["credentials"]] == [made.json()["id"]]


def admin_token(deployment: Deployment) -> str:
    answer = TokenDriver(deployment.http).client_credentials(deployment.admin, audience=URL)
    return answer.token


def test_scopes_of_a_client_end_and_are_removed(admin: AdminApi, deployment: Deployment):
    changed = admin.patch("/clients/ci", scopes_expire_at={"agents:read": END})
    assert changed.status_code == 200, changed.text
    assert changed.json()["scopes_expire_at"] == {"agents:read": END}
    etag = changed.headers["etag"]
    deployment.wait(timedelta(minutes=10))
    again = AdminApi(deployment.http, admin_token(deployment))
    shown = again.get("/clients/ci").json()
    assert (shown["scopes"], shown["scopes_expire_at"]) == ([], {})
    deployment.services.administration.delete_expired_rights()
    (event,) = events(deployment, "client.scopes_expired")
    assert (event.target, event.details) == ("ci", {"scopes": ["agents:read"]})
    assert again.patch("/clients/ci", if_match=etag, name="late").status_code == 412


def test_a_change_of_a_client_notes_scopes_that_have_ended(admin: AdminApi, deployment: Deployment):
    admin.patch("/clients/ci", scopes_expire_at={"agents:read": END})
    deployment.wait(timedelta(minutes=10))
    again = AdminApi(deployment.http, admin_token(deployment))
    assert again.patch("/clients/ci", name="CI").json()["scopes"] == []
    assert len(events(deployment, "client.scopes_expired")) == 1
    again.patch("/clients/ci", scopes=["agents:read"])
    deployment.services.administration.delete_expired_rights()
    assert again.get("/clients/ci").json()["scopes"] == ["agents:read"]


def test_an_end_is_of_a_scope_that_the_client_has(admin: AdminApi):
    """A misspelled one would leave the scope without an end."""
    refused = admin.patch("/clients/ci", scopes_expire_at={"agent:read": END})
    assert refused.status_code == 422
    assert "agent:read is not among the client's scopes" in refused.text
    past = admin.patch("/clients/ci", scopes_expire_at={"agents:read": "2026-11-25T11:00:00Z"})
    assert "is in the past" in past.text


def test_an_end_goes_with_its_scope_and_null_makes_it_last(admin: AdminApi):
    admin.patch("/clients/ci", scopes_expire_at={"agents:read": END})
    removed = admin.patch("/clients/ci", scopes=["agents:run"])
    assert removed.json()["scopes_expire_at"] == {}
    added = admin.patch(
        "/clients/ci", scopes=["agents:read"], scopes_expire_at={"agents:read": END}
    )
    assert added.json()["scopes_expire_at"] == {"agents:read": END}
    lasting = admin.patch("/clients/ci", scopes_expire_at={"agents:read": None})
    assert (lasting.json()["scopes"], lasting.json()["scopes_expire_at"]) == (["agents:read"], {})


def test_removing_all_scopes_removes_their_ends(admin: AdminApi):
    admin.patch("/clients/ci", scopes_expire_at={"agents:read": END})
    removed = admin.patch("/clients/ci", scopes=None)
    assert (removed.status_code, removed.json()["scopes_expire_at"]) == (200, {})


@pytest.mark.parametrize("after", [timedelta(0), timedelta(minutes=10)])
def test_an_end_that_an_older_version_has_left_of_a_removed_scope_does_not_count(
    admin: AdminApi, deployment: Deployment, after: timedelta
):
    """Versions without ends remove scopes alone."""
    admin.patch("/clients/ci", scopes=["agents:read", "agents:run"])
    admin.patch("/clients/ci", scopes_expire_at={"agents:run": END})
    with deployment.services.database.transaction() as session:
        only_read = update(ClientRow).values(scopes=["agents:read"])
        session.execute(only_read.where(ClientRow.client_id == "ci"))
    deployment.wait(after)
    again = AdminApi(deployment.http, admin_token(deployment))
    assert again.get("/clients/ci").json()["scopes_expire_at"] == {}
    deployment.services.administration.delete_expired_rights()
    assert again.patch("/clients/ci", name="CI").json()["scopes"] == ["agents:read"]
    with deployment.services.database.reading() as session:
        assert session.scalars(select(ClientScopeExpiryRow)).all() == []
    assert events(deployment, "client.scopes_expired") == []


def test_the_last_administrator_gets_no_end(admin: AdminApi, deployment: Deployment):
    path = f"/clients/{deployment.admin.client_id}"
    refused = admin.patch(path, scopes_expire_at={"issuer:admin": "2027-01-01T00:00:00Z"})
    assert refused.status_code == 409
    assert "given an end" in refused.json()["detail"]
    deployment.client("other", scopes=["issuer:admin"], audiences=[URL])
    accepted = admin.patch(path, scopes_expire_at={"issuer:admin": "2027-01-01T00:00:00Z"})
    assert accepted.status_code == 200
