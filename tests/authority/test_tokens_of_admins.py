"""What others may change elsewhere ends no token for the issuer's own audience."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from issuer.audit import Actor
from issuer.composition import UnitOfWork
from issuer.database.tables import RevokedPrincipalRow
from issuer.errors import Forbidden
from issuer.revocations.revocations import PAUSE
from issuer.roles import Assignment
from issuer.scopes import ISSUER_ADMIN, ISSUER_SCOPES
from tests.admin.scim.driver import scim_of
from tests.builders import URL, Credentials, Deployment, FakeClock
from tests.drivers import AdminApi, TokenAnswer, TokenDriver
from tests.issuers import Initialized, running, served
from tests.revocations.feed import Feed

ALL_BUT_ADMIN = ISSUER_SCOPES - {ISSUER_ADMIN}
WEB = Assignment(role="web", audience="my-os")
Deputy = Callable[[], Any]


@pytest.fixture
def app(deployment: Deployment) -> Credentials:
    """alice is an admin, and in a group that has a role at an AgentOS."""
    return prepared(deployment)


def prepared(deployment: Deployment) -> Credentials:
    deployment.role("administrator", [ISSUER_ADMIN])
    deployment.role("web", ["agents:web:run"])
    deployment.user("alice", id="alice")
    deployment.group("Plain", ["alice"], ["web"], id="plain")
    later = {"expires_at": deployment.clock() + timedelta(days=9)}
    with deployment.changing() as work:
        work.assignments.assign("alice", Assignment(role="administrator", audience=URL))
        work.assignments.assign("alice", WEB.model_copy(update=later))
    deployment.clock.move(2 * PAUSE)  # alice began clean, which revoked all tokens
    return deployment.client(
        "app",
        audiences=[URL, "my-os"],
        user_rights="all",
        grant_types=["password", "refresh_token"],
    )


def signed_in(endpoint: TokenDriver, app: Credentials, audience: str) -> TokenAnswer:
    """Again while the machine is too busy to hash a password in time."""
    answers = (endpoint.password(app, "alice", audience=audience) for _ in range(20))
    return next(each for each in answers if each.status == 200)


@contextmanager
def deputy(deployment: Deployment) -> Iterator[UnitOfWork]:
    """A unit of work of somebody who may write everything, but is no admin."""
    administration = deployment.services.administration
    with administration.changing(Actor("deputy"), ALL_BUT_ADMIN) as work:
        yield work


def end_earlier(work: UnitOfWork, principal: str) -> None:
    sooner = {"expires_at": work.clock() + timedelta(days=1)}
    work.assignments.assign(principal, WEB.model_copy(update=sooner))


CHANGES: dict[str, Callable[[UnitOfWork], object]] = {
    "removed from a group": lambda work: work.groups.remove_members("plain", ["alice"]),
    "members replaced": lambda work: work.groups.set_members("plain", []),
    "a role of the group unassigned": lambda work: work.assignments.unassign(
        "plain", Assignment(role="web")
    ),
    "an end of the group moved": lambda work: end_earlier(work, "plain"),
    "an end moved": lambda work: end_earlier(work, "alice"),
    "a role deleted": lambda work: work.roles.delete("web", cascade=True),
    "the group deleted": lambda work: work.groups.delete("plain"),
    "tokens of the group revoked": lambda work: work.groups.revoke_tokens("plain"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_by_others_ends_tokens_for_agentos_and_none_for_the_issuer(
    deployment: Deployment, token_endpoint: TokenDriver, app: Credentials, what: str
):
    if "an end of the group" in what:
        later = {"expires_at": deployment.clock() + timedelta(days=9)}
        with deployment.changing() as work:
            work.assignments.assign("plain", WEB.model_copy(update=later))
    own = signed_in(token_endpoint, app, URL)
    elsewhere = signed_in(token_endpoint, app, "my-os")
    with deputy(deployment) as work:
        CHANGES[what](work)
    assert Feed.of(deployment.http).refuses(elsewhere.token)
    assert AdminApi(deployment.http, own.token).get("/roles").status_code == 200
    assert token_endpoint.introspect(app, own.token)["active"] is True
    # At once, without waiting for the next second.
    before = deployment.clock()
    assert token_endpoint.refresh(app, own.refresh_token).status == 200
    assert deployment.clock() == before


def test_neither_rest_nor_scim_keeps_an_admin_out(
    deployment: Deployment, token_endpoint: TokenDriver, app: Credentials
):
    """Out of a group and into it again, by both, with the rights that they need and no others."""
    own = signed_in(token_endpoint, app, URL)
    scim = scim_of(deployment, token_endpoint)
    groups = deployment.client(scopes=["issuer:groups:write"], audiences=[URL])
    rest = AdminApi(deployment.http, token_endpoint.client_credentials(groups).token)
    member = {"value": [{"value": "alice"}], "path": "members"}
    for _ in range(2):
        assert scim.patch("/Groups/plain", {"op": "remove", **member}).status_code == 204
        assert scim.patch("/Groups/plain", {"op": "add", **member}).status_code == 204
        assert rest.delete("/groups/plain/members/alice").status_code == 204
        assert rest.put("/groups/plain/members/alice").status_code == 204
        assert AdminApi(deployment.http, own.token).get("/roles").status_code == 200
        own = token_endpoint.refresh(app, own.refresh_token)
        assert own.status == 200, own.body
    assert Feed.of(deployment.http).revoked["sub"].keys() == {"alice"}


def test_what_ends_all_tokens_of_an_admin_ends_those_for_the_issuer(
    deployment: Deployment, token_endpoint: TokenDriver, app: Credentials
):
    """Also after a change elsewhere, and before another one."""
    own = signed_in(token_endpoint, app, URL)
    with deputy(deployment) as work:
        work.groups.remove_members("plain", ["alice"])
    with deployment.changing() as work:
        work.users.revoke_tokens("alice")
    with deputy(deployment) as work:
        end_earlier(work, "alice")
    assert AdminApi(deployment.http, own.token).get("/roles").status_code == 401
    assert token_endpoint.refresh(app, own.refresh_token).error == "invalid_grant"


def test_an_entry_that_an_earlier_version_has_moved_counts_everywhere(
    deployment: Deployment, token_endpoint: TokenDriver, app: Credentials
):
    with deputy(deployment) as work:
        work.groups.remove_members("plain", ["alice"])
    deployment.wait(timedelta(seconds=30))
    own = signed_in(token_endpoint, app, URL)
    with deployment.changing() as work:
        change = work.revocations._store.begin_change(deployment.clock())
        row = update(RevokedPrincipalRow).where(RevokedPrincipalRow.id == "alice")
        work._session.execute(row.values(not_after=deployment.clock(), change=change))
    assert AdminApi(deployment.http, own.token).get("/roles").status_code == 401


def test_others_change_no_role_of_a_group_with_rights_at_the_issuer(
    deployment: Deployment, app: Credentials
):
    deployment.role("other", ["agents:run"])
    with deployment.changing() as work:
        work.assignments.assign("plain", Assignment(role="administrator", audience=URL))
    for change in (
        lambda work: work.assignments.assign("plain", Assignment(role="other", audience="my-os")),
        lambda work: work.assignments.unassign("plain", Assignment(role="web")),
        lambda work: end_earlier(work, "plain"),
    ):
        with pytest.raises(Forbidden, match="issuer:admin"), deputy(deployment) as work:
            change(work)
    with deputy(deployment) as work:  # of a user they may: it is right at an AgentOS only
        work.assignments.assign("alice", Assignment(role="other", audience="my-os"))


def test_a_process_that_has_just_started_revokes_what_was_postponed(
    deployment: Deployment, token_endpoint: TokenDriver, app: Credentials
):
    """It deletes nothing yet, as its clock may be set only now; this is no deletion."""
    assert not deployment.services.foundation.clock_watch.is_trusted()
    refresh_token = signed_in(token_endpoint, app, "my-os").refresh_token
    for members in ([], ["alice"]):
        with deputy(deployment) as work:
            work.groups.set_members("plain", members)
    deployment.wait(timedelta(seconds=3))
    between = token_endpoint.refresh(app, refresh_token).token
    with deputy(deployment) as work:
        work.groups.set_members("plain", [])
    deployment.wait(PAUSE)
    jobs = {job.name: job for job in deployment.services.background.jobs}
    jobs["postponed-revocations"].run_once()
    assert Feed.of(deployment.http).refuses(between)


@pytest.mark.parametrize("more_settings", [{"rate_limit_passwords": "off"}])
def test_changes_without_a_pause_leave_time_for_tokens_and_revoke_them_soon(
    opened: Initialized, clock: FakeClock
):
    """Three changes a second at one process, and tokens from another, for 16 seconds.

    With refresh tokens, so that no hash of a password takes its time.
    """
    with running(opened, clock) as first, served(opened, clock) as second:
        app, endpoint = prepared(first), TokenDriver(second.http)
        own = signed_in(endpoint, app, URL)
        refresh_token = signed_in(endpoint, app, "my-os").refresh_token
        got: list[tuple[datetime, TokenAnswer]] = []

        def change() -> None:
            with deputy(first) as work:
                there = work.groups.member_ids("plain")
                work.groups.set_members("plain", [] if there else ["alice"])

        begin = last = clock()
        clock.while_asleep = change
        while clock() < begin + timedelta(seconds=16):
            change()
            for each in (first, second):
                each.services.administration.revoke_postponed()
                each.services.tokens.changes.poll()
            answer = endpoint.refresh(app, refresh_token)
            if answer.status == 200:
                refresh_token = answer.refresh_token
                got.append((clock(), answer))
                last = clock()
            assert clock() - last < timedelta(seconds=5)
            assert AdminApi(second.http, own.token).get("/roles").status_code == 200
            feed = Feed.of(second.http)
            old = (token for at, token in got if clock() - at > 2 * PAUSE)
            assert all(feed.refuses(token.token) for token in old)
            clock.move(timedelta(seconds=0.33))
        clock.while_asleep = None
        assert len(got) > 10
        with deputy(first) as work:
            work.groups.set_members("plain", ["alice"])
            work.groups.set_members("plain", [])
        clock.move(PAUSE)
        first.services.administration.revoke_postponed()
        second.services.tokens.changes.poll()
        clock.move(timedelta(seconds=2))  # for so long a process may keep the feed it has rendered
        feed = Feed.of(second.http)
        assert all(feed.refuses(token.token) for _, token in got)
