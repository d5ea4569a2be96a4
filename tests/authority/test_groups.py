"""Rights at the issuer itself through groups: who may change what, and who begins clean."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuer import manifest
from issuer.audit import Actor, EventFilter
from issuer.authority.credentials import MembersNotKept
from issuer.composition import UnitOfWork
from issuer.errors import Forbidden, InvalidCredentials, IssuerError, NotAllowed
from issuer.groups import GroupFields
from issuer.roles import Assignment
from issuer.scopes import ISSUER_ADMIN, ISSUER_SCOPES
from tests.builders import PASSWORD, URL, Deployment, hashed
from tests.issuers import Arrange, with_my_os

ALL_BUT_ADMIN = ISSUER_SCOPES - {ISSUER_ADMIN}
ADMIN = Assignment(role="administrator", audience=URL)
USERS = ["deputy", "alice", "bob"]
GROUPS = ["admins", "plain", "new"]
ROLES = ["administrator", "key-reader", "web"]
Deputy = Callable[[], Any]


def with_groups(deployment: Deployment) -> None:
    """alice is an admin by the group `admins`; bob is in the group `plain` with the role `web`."""
    with_my_os(deployment)
    deployment.role("administrator", [ISSUER_ADMIN])
    deployment.role("key-reader", ["issuer:keys:read"])
    deployment.role("web", ["agents:web:run"])
    for name in USERS:
        deployment.user(name, id=name)
    deployment.group("Plain", ["bob"], ["web"], id="plain")
    deployment.group("Admins", ["alice"], id="admins")
    with deployment.changing() as work:
        work.assignments.assign("admins", ADMIN)


@pytest.fixture
def arrange(request: pytest.FixtureRequest) -> Arrange:
    return with_groups if "deputy" in request.fixturenames else with_my_os


@pytest.fixture
def deputy(deployment: Deployment) -> Deputy:
    """Units of work of somebody who may write everything, but is no admin; beside `with_groups`."""

    @contextmanager
    def changing() -> Iterator[UnitOfWork]:
        administration = deployment.services.administration
        with administration.changing(Actor("deputy"), ALL_BUT_ADMIN) as work:
            yield work

    return changing


def can_sign_in(deployment: Deployment, username: str, password: str = PASSWORD) -> bool:
    try:
        deployment.services.sign_in.sign_in.authenticate(username, password)
    except InvalidCredentials:
        return False
    return True


def holders(deployment: Deployment) -> frozenset[str]:
    with deployment.services.administration.reading() as work:
        return work.authority.privilege_snapshot().holders


CHANGES: dict[str, Callable[[UnitOfWork], object]] = {
    "adding oneself": lambda work: work.groups.add_members("admins", ["deputy"]),
    "removing an admin": lambda work: work.groups.remove_members("admins", ["alice"]),
    "replacing the members": lambda work: work.groups.set_members("admins", ["deputy"]),
    "renaming": lambda work: work.groups.update("admins", {"name": "Others"}),
    "another external id": lambda work: work.groups.update("admins", {"external_id": "1"}),
    "deleting": lambda work: work.groups.delete("admins"),
    "revoking tokens": lambda work: work.groups.revoke_tokens("admins"),
    "assigning": lambda work: work.assignments.assign("plain", ADMIN),
    "unassigning": lambda work: work.assignments.unassign("admins", ADMIN),
    "a member's name": lambda work: work.users.update("alice", {"username": "mallory"}),
    "a member's password": lambda work: work.users.set_password(
        "alice", hashed("another of theirs", "owasp")
    ),
    "a member's state": lambda work: work.users.update("alice", {"disabled": True}),
    "a member's existence": lambda work: work.users.delete("alice"),
    "a role of the group": lambda work: work.roles.update("web", {"scopes": ["issuer:keys:read"]}),
}


def test_only_an_admin_changes_a_group_with_rights_at_the_issuer_and_its_members(
    deployment: Deployment, deputy: Deputy
):
    before = holders(deployment)
    for what, change in CHANGES.items():
        with pytest.raises(Forbidden, match="issuer:admin"), deputy() as work:
            change(work)
        assert holders(deployment) == before, what
    assert before >= {"alice", "admins"}


def test_a_group_that_lost_its_rights_is_one_like_others(deployment: Deployment, deputy: Deputy):
    with deployment.changing() as work:
        work.assignments.unassign("admins", ADMIN)
    with deputy() as work:
        work.groups.add_members("admins", ["deputy"])
        work.users.update("alice", {"name": "Alice"})
    assert holders(deployment) == {"issuer-admin"}


def test_a_member_who_prepared_an_account_has_nothing_of_it_when_the_group_gets_rights(
    deployment: Deployment, deputy: Deputy
):
    """Also those whose password somebody without `issuer:admin` set; that of an admin stays."""
    carol = deployment.user("carol", id="carol")
    with deputy() as work:
        work.users.set_password("bob", hashed("another of theirs", "owasp"))
        work.groups.add_members("plain", [carol])
    assert can_sign_in(deployment, "bob", "another of theirs")
    with deployment.changing() as work:
        work.new_privileges.keep([], [carol])
        work.assignments.assign("plain", ADMIN)
    assert not can_sign_in(deployment, "bob", "another of theirs")
    assert can_sign_in(deployment, "carol")
    assert [each for each in work.new_privileges.warnings if "bob" in each]


def test_whoever_joins_while_the_group_gets_rights_begins_clean_or_stays_outside(
    deployment: Deployment, deputy: Deputy
):
    """In either order, at the same moment."""
    theirs = "another of theirs"
    groups = [f"group-{number}" for number in range(6)]
    for each in groups:
        deployment.group(each, id=each)
        deployment.user(f"in-{each}", id=f"in-{each}", password=None)
    with deputy() as work:
        for each in groups:
            work.users.set_password(f"in-{each}", hashed(theirs, "owasp"))

    def join(group: str) -> None:
        with suppress(Forbidden), deputy() as work:
            work.groups.add_members(group, [f"in-{group}"])

    def promote(group: str) -> None:
        with deployment.changing() as work:
            work.new_privileges.keep([], [f"in-{group}"])
            work.assignments.assign(group, ADMIN)

    with ThreadPoolExecutor(4) as pool:
        tried = [pool.submit(change, each) for each in groups for change in (join, promote)]
    for each in tried:
        each.result()
    for each in groups:
        is_member = f"in-{each}" in holders(deployment)
        assert can_sign_in(deployment, f"in-{each}", theirs) is not is_member, each


def test_who_is_added_to_a_group_with_rights_begins_clean(deployment: Deployment, deputy: Deputy):
    with deputy() as work:
        work.users.set_password("bob", hashed("another of theirs", "owasp"))
    with deployment.changing() as work:
        work.groups.add_members("admins", ["bob"])
    assert not can_sign_in(deployment, "bob", "another of theirs")


def test_a_second_way_to_the_same_rights_ends_nothing(deployment: Deployment, deputy: Deputy):
    deployment.group("Others", ["alice"], id="others")
    with deployment.changing() as work:
        work.assignments.assign("others", ADMIN)
        work.groups.remove_members("admins", ["alice"])
    assert can_sign_in(deployment, "alice")
    assert work.new_privileges.warnings == []


def without_other_admins(work: UnitOfWork) -> None:
    """The admin client goes; an application stays through which users sign in."""
    work.clients.update("issuer-admin", {"disabled": True})


@pytest.fixture
def last(deployment: Deployment, deputy: Deputy) -> None:
    """alice is the last admin, by her group."""
    deployment.client(
        "console",
        audiences=[URL],
        user_rights="all",
        grant_types=["authorization_code"],
        redirect_uris=["https://console.example/"],
    )
    with deployment.changing() as work:
        without_other_admins(work)


@pytest.mark.parametrize(
    "how", ["removing an admin", "deleting", "unassigning", "a member's existence"]
)
def test_the_last_admin_by_a_group_stays(deployment: Deployment, last: None, how: str):
    with pytest.raises(NotAllowed, match="last holder"), deployment.changing() as work:
        CHANGES[how](work)
    with deployment.changing() as work:
        work.groups.add_members("admins", ["bob"])
        work.groups.remove_members("admins", ["alice"])


class _RolledBack(Exception):
    pass


_CHANGES_OF_GROUPS = st.one_of(
    st.tuples(st.just("create"), st.sampled_from(GROUPS)),
    st.tuples(st.just("delete"), st.sampled_from(GROUPS)),
    st.tuples(st.just("rename"), st.sampled_from(GROUPS), st.sampled_from(GROUPS)),
    st.tuples(st.just("add"), st.sampled_from(GROUPS), st.sampled_from(USERS)),
    st.tuples(st.just("remove"), st.sampled_from(GROUPS), st.sampled_from(USERS)),
    st.tuples(st.just("set"), st.sampled_from(GROUPS), st.lists(st.sampled_from(USERS))),
    st.tuples(
        st.sampled_from(["assign", "unassign"]),
        st.sampled_from(GROUPS),
        st.sampled_from(ROLES),
        st.sampled_from([URL, "my-os", None]),
    ),
    st.tuples(st.just("role"), st.sampled_from(["web", "key-reader"]), st.booleans()),
    st.tuples(st.just("user"), st.sampled_from(USERS)),
)


def change(work: UnitOfWork, what: str, *about: Any) -> None:
    match what, *about:
        case "create", str(group):
            work.groups.create(GroupFields(id=group, name=group))
        case "delete", str(group):
            work.groups.delete(group)
        case "rename", str(group), name:
            work.groups.update(group, {"name": name})
        case "add", str(group), user:
            work.groups.add_members(group, [user])
        case "remove", str(group), user:
            work.groups.remove_members(group, [user])
        case "set", str(group), users:
            work.groups.set_members(group, users)
        case (("assign" | "unassign"), group, role, audience):
            do = work.assignments.assign if what == "assign" else work.assignments.unassign
            do(work.groups.get(group).id, Assignment(role=role, audience=audience))
        case "role", role, is_of_issuer:
            scope = "issuer:keys:read" if is_of_issuer else "agents:run"
            work.roles.update(role, {"scopes": [scope]})
        case "user", user:
            work.users.delete(user)
        case unknown:
            raise LookupError(unknown)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(_CHANGES_OF_GROUPS, max_size=12))
def test_no_sequence_of_changes_by_others_than_admins_gives_or_takes_rights_at_the_issuer(
    deployment: Deployment, deputy: Deputy, changes: list[tuple[Any, ...]]
):
    before = holders(deployment)
    with suppress(_RolledBack), deputy() as work:
        for each in changes:
            with suppress(IssuerError):
                change(work, *each)
        assert work.authority.privilege_snapshot().holders == before
        work.check_invariants()
        raise _RolledBack


def test_members_whom_others_added_are_named_where_the_group_gets_rights(
    deployment: Deployment, deputy: Deputy
):
    """By each way to the rights; bob was added on the command line, which counts as an admin."""
    with deputy() as work:
        work.groups.add_members("plain", ["deputy"])
    ways: list[Callable[[UnitOfWork], object]] = [
        lambda work: work.assignments.assign("plain", ADMIN),
        lambda work: work.roles.update("web", {"scopes": ["issuer:keys:read"]}),
        lambda work: manifest.apply(work, manifest.plan(work, declared)),
    ]
    roles = [{"role": "administrator", "audience": URL}]
    groups = json.dumps({"groups": [{"id": "plain", "name": "Plain", "roles": roles}]})
    declared = manifest.read(groups.encode(), "manifest")
    for way in ways:
        with pytest.raises(MembersNotKept) as refused, deployment.changing() as work:
            way(work)
        (member,) = refused.value.given
        assert (member.group_id, member.user_id, member.given_by) == ("plain", "deputy", "deputy")
        with pytest.raises(MembersNotKept), deployment.changing() as work:
            work.new_privileges.keep(["deputy"], ["bob"])
            way(work)
    assert "plain" not in holders(deployment)
    with deployment.services.administration.reading() as work:
        *_, line = manifest.plan(work, declared).lines()
    assert line.startswith("needs --keep-members deputy: deputy in the group Plain")


def test_a_confirmed_member_stays_and_counts_as_added_by_whoever_confirmed(
    deployment: Deployment, deputy: Deputy
):
    with deputy() as work:
        work.groups.add_members("plain", ["deputy"])
    with deployment.changing() as work:
        work.new_privileges.keep([], ["deputy"])
        work.assignments.assign("plain", ADMIN)
    assert {"deputy", "bob"} <= holders(deployment)
    with deployment.changing() as work:
        (event,) = work.audit_log.page(EventFilter(action="group.member_kept"), None, 10)
        work.assignments.unassign("plain", ADMIN)
    assert (event.target, event.details["user_id"]) == ("plain", "deputy")
    with deployment.changing() as work:
        work.assignments.assign("plain", ADMIN)


def test_a_manifest_that_removes_the_member_needs_no_confirmation(
    deployment: Deployment, deputy: Deputy
):
    with deputy() as work:
        work.groups.add_members("plain", ["deputy"])
    roles = [{"role": "administrator", "audience": URL}]
    groups = {"id": "plain", "name": "Plain", "roles": roles, "members": ["bob"]}
    declared = manifest.read(json.dumps({"groups": [groups]}).encode(), "manifest")
    with deployment.changing() as work:
        plan = manifest.plan(work, declared)
        assert plan.members == ()
        manifest.apply(work, plan)
    assert {"bob", "plain"} <= holders(deployment)
    assert "deputy" not in holders(deployment)
