"""Assignments that end: what they give until then, and what is left of them."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from issuer.database.tables import AssignmentRow
from issuer.errors import InvalidField, NotAllowed, NotFound
from issuer.roles import Assignment, RoleFields
from issuer.vocabulary import ADMIN_CLIENT
from tests.builders import URL, Deployment, FakeClock
from tests.drivers import TokenDriver
from tests.oauth.refreshing import events
from tests.revocations.feed import Feed

EIGHT_HOURS = timedelta(hours=8)


def assign(
    deployment: Deployment, principal_id: str, end: datetime | None = None, reason: str = ""
) -> None:
    """The role `runner` everywhere."""
    with deployment.changing() as work:
        work.assignments.assign(principal_id, Assignment(role="runner", expires_at=end), reason)


def unassign(deployment: Deployment, principal_id: str) -> None:
    with deployment.changing() as work:
        work.assignments.unassign(principal_id, Assignment(role="runner"))


def held(deployment: Deployment, principal_id: str) -> list[str]:
    with deployment.services.administration.reading() as work:
        return [str(each) for each in work.assignments.roles_of(principal_id)]


def stored(deployment: Deployment) -> list[AssignmentRow]:
    """The assignments of the role `runner`."""
    with deployment.services.database.reading() as session:
        query = select(AssignmentRow).where(AssignmentRow.role_name == "runner")
        return list(session.scalars(query))


def scopes_now(deployment: Deployment, user_id: str) -> frozenset[str]:
    directory = deployment.services.tokens.directory
    return directory.load_user(user_id).rights.at(directory.load_audience("my-os"))


@pytest.fixture
def alice(deployment: Deployment) -> str:
    deployment.role("runner", ["agents:run"])
    return deployment.user("alice", id="alice")


def test_it_gives_its_scopes_until_the_end_and_nothing_from_then_on(
    deployment: Deployment, alice: str
):
    assign(deployment, alice, deployment.clock() + EIGHT_HOURS)
    assert held(deployment, alice) == ["runner everywhere, until 2026-11-25 20:00 UTC"]
    deployment.clock.now = datetime.fromisoformat("2026-11-25T19:59:59.999999Z")
    assert scopes_now(deployment, alice) == {"agents:run"}
    deployment.clock.now = datetime.fromisoformat("2026-11-25T20:00:00Z")
    assert scopes_now(deployment, alice) == frozenset()
    assert held(deployment, alice) == []
    with deployment.services.administration.reading() as work:
        assert work.assignments.of(alice) == []


def test_it_ends_for_members_of_a_group(deployment: Deployment, alice: str):
    group_id = deployment.group("Night shift", [alice])
    assign(deployment, group_id, deployment.clock() + EIGHT_HOURS)
    assert scopes_now(deployment, alice) == {"agents:run"}
    deployment.wait(EIGHT_HOURS)
    assert scopes_now(deployment, alice) == frozenset()


def test_who_gave_it_and_when_is_stored(deployment: Deployment, alice: str):
    assign(deployment, alice, deployment.clock() + EIGHT_HOURS)
    (row,) = stored(deployment)
    assert (row.given_by, row.given_as) == ("test:operator", "local")
    assert row.given_at == deployment.clock()
    deployment.wait(timedelta(minutes=1))
    assign(deployment, alice)
    (row,) = stored(deployment)
    assert (row.given_at, row.expires_at) == (deployment.clock(), None)


def test_the_background_job_deletes_what_has_ended(deployment: Deployment, alice: str):
    assign(deployment, alice, deployment.clock() + EIGHT_HOURS)
    bot = deployment.client("bot")
    assign(deployment, bot.client_id)
    administration = deployment.services.administration
    administration.delete_expired_rights()
    assert len(stored(deployment)) == 2
    deployment.wait(EIGHT_HOURS)
    administration.delete_expired_rights()
    assert [row.folded_id for row in stored(deployment)] == ["bot"]
    (event,) = events(deployment, "role.assignment_expired")
    assert (event.actor, event.target) == ("issuer:background", "alice")
    assert event.details == {
        "role": "runner",
        "audience": None,
        "expires_at": "2026-11-25T20:00:00Z",
    }
    administration.delete_expired_rights()
    assert len(events(deployment, "role.assignment_expired")) == 1


def test_it_deletes_more_than_fit_into_one_transaction(deployment: Deployment, alice: str):
    end = deployment.clock() + EIGHT_HOURS
    with deployment.changing() as work:
        for number in range(150):
            name = f"role-{number}"
            work.roles.create(RoleFields(name=name, scopes=["agents:run"]))
            work.assignments.assign(alice, Assignment(role=name, expires_at=end))
    deployment.wait(EIGHT_HOURS)
    deployment.services.administration.delete_expired_rights()
    assert len(events(deployment, "role.assignment_expired")) == 150


def test_assigning_again_changes_the_end(deployment: Deployment, alice: str):
    now = deployment.clock()
    for end in (now + EIGHT_HOURS, now + 2 * EIGHT_HOURS, None, now + EIGHT_HOURS):
        assign(deployment, alice, end)
    assert held(deployment, alice) == ["runner everywhere, until 2026-11-25 20:00 UTC"]
    details = [event.details for event in events(deployment, "role.assigned")][-4:]
    ends = [(each.get("expires_at_before", "new"), each.get("expires_at")) for each in details]
    eight, four = "2026-11-25T20:00:00Z", "2026-11-26T04:00:00Z"
    assert ends == [("new", eight), (eight, four), (four, None), (None, eight)]


def test_assigning_it_with_the_same_end_changes_nothing(deployment: Deployment, alice: str):
    end = deployment.clock() + EIGHT_HOURS
    assign(deployment, alice, end)
    number = len(events(deployment, "role.assigned"))
    assign(deployment, alice, end)
    assert len(events(deployment, "role.assigned")) == number


def test_what_has_ended_is_assigned_as_if_it_were_deleted(deployment: Deployment, alice: str):
    assign(deployment, alice, deployment.clock() + EIGHT_HOURS)
    deployment.wait(EIGHT_HOURS)
    with pytest.raises(NotFound):
        unassign(deployment, alice)
    assign(deployment, alice, deployment.clock() + EIGHT_HOURS)
    assert scopes_now(deployment, alice) == {"agents:run"}
    assert len(events(deployment, "role.assignment_expired")) == 1
    assert "expires_at_before" not in events(deployment, "role.assigned")[-1].details


def test_an_end_in_the_past_is_refused(deployment: Deployment, alice: str):
    with pytest.raises(InvalidField, match="is in the past"):
        assign(deployment, alice, deployment.clock())
    assert held(deployment, alice) == []


def test_the_end_is_a_whole_second(deployment: Deployment, alice: str):
    """As `exp` of tokens: none of them is for longer than the right."""
    assert deployment.clock().microsecond
    assign(deployment, alice, deployment.clock() + EIGHT_HOURS)
    (row,) = stored(deployment)
    assert row.expires_at == datetime.fromisoformat("2026-11-25T20:00:00Z")


def test_the_reason_is_in_the_audit_log(deployment: Deployment, alice: str):
    assign(deployment, alice, reason="Ticket 4711")
    with deployment.changing() as work:
        work.assignments.unassign(alice, Assignment(role="runner"), "Ticket 4712")
    assert events(deployment, "role.assigned")[-1].details["reason"] == "Ticket 4711"
    assert events(deployment, "role.unassigned")[-1].details["reason"] == "Ticket 4712"


def test_an_earlier_end_revokes_the_tokens_of_a_user_and_of_members(
    deployment: Deployment, token_endpoint: TokenDriver, alice: str
):
    """They would be valid after the end. A later end revokes nothing."""
    app = deployment.client("app", scopes=["agents:run"], grant_types=["password"])
    group_id = deployment.group("Night shift", [deployment.user("bob")])
    for principal_id, name in ((alice, "alice"), (group_id, "bob")):
        assign(deployment, principal_id)
        token = token_endpoint.password(app, name).token
        assign(deployment, principal_id, deployment.clock() + EIGHT_HOURS)
        deployment.services.tokens.changes.poll()
        assert Feed.of(deployment.http).refuses(token)
        deployment.wait(timedelta(seconds=3))
        token = token_endpoint.password(app, name).token
        assign(deployment, principal_id, deployment.clock() + 2 * EIGHT_HOURS)
        assign(deployment, principal_id)
        deployment.services.tokens.changes.poll()
        assert not Feed.of(deployment.http).refuses(token)


def test_an_earlier_end_revokes_the_access_tokens_of_a_client_and_of_its_users(
    deployment: Deployment, token_endpoint: TokenDriver, alice: str
):
    assign(deployment, alice)
    grants = ["client_credentials", "password", "refresh_token"]
    app = deployment.client("app", roles=["runner"], grant_types=grants)
    signed_in = token_endpoint.password(app, "alice")
    tokens = [signed_in.token, token_endpoint.client_credentials(app).token]
    assign(deployment, "app", deployment.clock() + EIGHT_HOURS)
    deployment.services.tokens.changes.poll()
    assert all(Feed.of(deployment.http).refuses(token) for token in tokens)
    deployment.wait(timedelta(seconds=3))
    assert token_endpoint.refresh(app, signed_in.refresh_token).status == 200


def test_the_last_administrator_is_given_no_end(deployment: Deployment):
    deployment.role("root", ["issuer:admin"])
    with deployment.changing() as work:
        work.assignments.assign(ADMIN_CLIENT, Assignment(role="root", audience=URL))
        work.clients.update(ADMIN_CLIENT, {"scopes": []})
    ending = Assignment(
        role="root", audience=URL, expires_at=deployment.clock() + timedelta(days=9)
    )
    with (
        pytest.raises(NotAllowed, match="cannot be removed, disabled or given an end"),
        deployment.changing() as work,
    ):
        work.assignments.assign(ADMIN_CLIENT, ending)
    with deployment.changing() as work:
        work.clients.update(ADMIN_CLIENT, {"scopes": ["issuer:admin"]})
        work.assignments.assign(ADMIN_CLIENT, ending)


def test_an_administrator_for_some_hours_is_none_who_could_be_the_last(
    deployment: Deployment, clock: FakeClock
):
    deployment.role("root", ["issuer:admin"])
    deployment.client("night", audiences=[URL])
    with deployment.changing() as work:
        ending = Assignment(role="root", audience=URL, expires_at=clock() + EIGHT_HOURS)
        work.assignments.assign("night", ending)
    with pytest.raises(NotAllowed), deployment.changing() as work:
        work.clients.update(ADMIN_CLIENT, {"disabled": True})


def test_its_holder_stays_protected_until_it_is_deleted(deployment: Deployment, alice: str):
    """Otherwise a helpdesk could set a password just before the right is given again."""
    deployment.role("auditor", ["issuer:audit:read"])
    ending = Assignment(
        role="auditor", audience=URL, expires_at=deployment.clock() + timedelta(hours=1)
    )
    with deployment.changing() as work:  # no background job sees it
        work.assignments.assign(alice, ending)
        assert work.authority.scopes_held(alice) == {"issuer:audit:read"}
        deployment.clock.move(timedelta(hours=1))
        assert work.authority.scopes_held(alice) == frozenset()
        assert work.authority.holds_rights(alice)
        work.assignments.delete_expired()
        work.clients.delete_expired_scopes()
        assert not work.authority.holds_rights(alice)
