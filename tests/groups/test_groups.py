"""The rules for groups and their members, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from issuer.audit import Actor, EventFilter
from issuer.database.tables import GroupMemberRow, PrincipalRow, UserRow
from issuer.errors import (
    AlreadyExists,
    InUse,
    InvalidCredentials,
    InvalidField,
    NotAllowed,
    NotFound,
)
from issuer.groups import MAX_GROUPS, MAX_MEMBERS, Group, GroupFields, groups
from issuer.revocations.share import ENTRY_BYTES, LIMITS
from issuer.roles import Assignment
from issuer.vocabulary import GivenAs
from tests.builders import Credentials, Deployment
from tests.drivers import TokenDriver

WEB = Assignment(role="web", audience="my-os")


def members(deployment: Deployment, group_id: str) -> list[str]:
    with deployment.services.administration.reading() as work:
        return [each.username for each in work.groups.members(group_id, None, 100)]


def created(deployment: Deployment, **fields: object) -> Group:
    with deployment.changing() as work:
        return work.groups.create(GroupFields.read(fields))


def events(deployment: Deployment, action: str) -> list[dict[str, object]]:
    """Target and details of each, the newest first."""
    with deployment.services.administration.reading() as work:
        found = work.audit_log.page(EventFilter(action=action), None, 100)
    return [{"target": each.target, **each.details} for each in found]


@pytest.mark.parametrize("taken", ["platform", "PLATFORM", "\uff30latform", " Platform"])
def test_names_are_unique_in_any_case(deployment: Deployment, taken: str):
    platform = created(deployment, name="Platform").id
    with pytest.raises(AlreadyExists):
        created(deployment, name=taken)
    other = created(deployment, name="Other").id
    with pytest.raises(AlreadyExists), deployment.changing() as work:
        work.groups.update(other, {"name": taken})
    with deployment.changing() as work:
        assert work.groups.update(platform, {"name": taken}).name == taken
        assert work.groups.get_by_name("platform").id == platform


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a" * 256, "\ufdfa" * 255])
def test_a_name_has_printable_characters_and_an_end(name: str):
    with pytest.raises(InvalidField, match="name"):
        GroupFields.read({"name": name})


def test_an_external_id_belongs_to_nobody_alone(deployment: Deployment):
    for name in ("a", "b"):
        assert created(deployment, name=name, external_id="42").external_id == "42"


def test_ids_are_shared_with_users_and_clients(deployment: Deployment):
    alice = deployment.user("alice")
    with pytest.raises(AlreadyExists):
        created(deployment, name="a", id=alice.upper())
    group = created(deployment, name="a", id="platform")
    with pytest.raises(AlreadyExists):
        deployment.user("bob", id="Platform")
    with deployment.changing() as work:
        work.groups.delete(group.id)
    assert deployment.user("bob", id="Platform") == "Platform"


def test_members_are_users_and_each_once(deployment: Deployment):
    bob, alice = deployment.user("bob", id="2"), deployment.user("alice", id="1")
    group = deployment.group("Platform", [bob])
    with deployment.changing() as work:
        before = work.groups.get(group).version
        work.groups.add_members(group, [alice, bob, alice])
        assert work.groups.get(group).version > before
        assert [each.user_id for each in work.groups.members(group, alice, 100)] == [bob]
        assert work.groups.member(group, alice).username == "alice"
        assert work.groups.count_members(group, "none") == {group: 2, "none": 0}
        assert [each.name for each in work.groups.of_user(alice)] == ["Platform"]
    assert members(deployment, group) == ["alice", "bob"]
    client = deployment.client("ci").client_id
    for unknown in (client, group, "nobody"):
        with pytest.raises(NotFound, match="user"), deployment.changing() as work:
            work.groups.add_members(group, [alice, unknown])
    with pytest.raises(NotFound), deployment.changing() as work:
        work.groups.add_members("unknown", [alice])


def test_members_can_be_replaced_and_every_change_is_audited(deployment: Deployment):
    ids = [deployment.user(name, id=name) for name in ("a", "b", "c")]
    group = deployment.group("Platform", ids[:2])
    with deployment.changing() as work:
        work.groups.set_members(group, ids[1:])
        work.groups.remove_members(group, ["a", "nobody"])
        with pytest.raises(NotFound):
            work.groups.member(group, "a")
    assert members(deployment, group) == ["b", "c"]
    added = [each["user_id"] for each in events(deployment, "group.member_added")]
    assert added == ["c", "b", "a"]
    assert events(deployment, "group.member_removed") == [{"target": group, "user_id": "a"}]


def test_what_does_not_change_makes_no_new_version(deployment: Deployment):
    alice = deployment.user("alice")
    group = deployment.group("Platform", [alice])
    with deployment.changing() as work:
        before = work.groups.get(group)
        work.groups.add_members(group, [alice])
        work.groups.remove_members(group, ["nobody"])
        work.groups.set_members(group, [alice])
        assert work.groups.get(group) == before


def test_a_deleted_user_is_no_member(deployment: Deployment):
    alice = deployment.user("alice")
    group = deployment.group("Platform", [alice])
    with deployment.changing() as work:
        work.users.delete(alice)
    assert members(deployment, group) == []


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a test can reach."""
    monkeypatch.setattr(groups, "MAX_MEMBERS", 2)
    monkeypatch.setattr(groups, "MAX_GROUPS", 2)


def test_members_of_a_group_and_groups_of_a_user_are_bounded(deployment: Deployment, few: None):
    assert (MAX_MEMBERS, MAX_GROUPS) == (10_000, 1_000)
    users = [deployment.user(name) for name in ("a", "b", "c")]
    first = deployment.group("1", users[:2])
    with pytest.raises(NotAllowed, match="2 members"), deployment.changing() as work:
        work.groups.add_members(first, users[2:])
    second = deployment.group("2", users[:1])
    third = deployment.group("3", users[1:2])
    with pytest.raises(NotAllowed, match="2 groups"), deployment.changing() as work:
        work.groups.add_members(third, users[:1])
    with deployment.changing() as work:
        work.groups.remove_members(second, users[:1])
        work.groups.add_members(third, users[:1])
        work.groups.set_members(first, users[1:])


@pytest.fixture
def web(deployment: Deployment) -> Credentials:
    """A client that may do all that its users may."""
    deployment.role("web", ["agents:web:run"])
    return deployment.client(
        "app", grant_types=["password", "refresh_token"], scopes=["agents:run"]
    )


def is_valid(deployment: Deployment, token: str) -> bool:
    try:
        deployment.services.tokens.any_reader.read(token)
    except InvalidCredentials:
        return False
    return True


def removed(deployment: Deployment, group: str, alice: str, how: str) -> None:
    with deployment.changing() as work:
        match how:
            case "member":
                work.groups.remove_members(group, [alice])
            case "group":
                work.groups.delete(group)
            case "role":
                work.assignments.unassign(group, WEB)
            case "role itself":
                work.roles.delete("web", cascade=True)


@pytest.mark.parametrize("how", ["member", "group", "role", "role itself"])
def test_who_loses_what_a_group_gave_keeps_only_the_refresh_token(
    deployment: Deployment, token_endpoint: TokenDriver, web: Credentials, how: str
):
    alice = deployment.user("alice")
    deployment.user("bob")
    group = deployment.group("Platform", [alice])
    with deployment.changing() as work:
        work.assignments.assign(group, WEB)
    given = token_endpoint.password(web, "alice", scope="agents:web:run")
    others = token_endpoint.password(web, "bob")
    assert (given.scope, others.scope) == ({"agents:web:run"}, set())
    removed(deployment, group, alice, how)
    assert not is_valid(deployment, given.token)
    assert is_valid(deployment, others.token)
    deployment.wait(timedelta(seconds=5))
    assert token_endpoint.refresh(web, given.refresh_token).scope == set()
    assert is_valid(deployment, token_endpoint.password(web, "alice").token)


@pytest.mark.parametrize("how", ["member", "group"])
def test_a_group_without_roles_revokes_nothing(
    deployment: Deployment, token_endpoint: TokenDriver, web: Credentials, how: str
):
    alice = deployment.user("alice")
    group = deployment.group("Platform", [alice])
    given = token_endpoint.password(web, "alice")
    removed(deployment, group, alice, how)
    assert is_valid(deployment, given.token)


@pytest.mark.parametrize(
    ("how", "action"),
    [
        ("member", "group.member_removed"),
        ("group", "group.deleted"),
        ("role", "role.unassigned"),
    ],
)
def test_rights_end_although_the_feed_is_full_and_the_audit_log_says_what_stays(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    web: Credentials,
    full_feed: None,
    how: str,
    action: str,
):
    """An access token stays valid until it expires; the next one has no more of it."""
    alice = deployment.user("alice")
    group = deployment.group("Platform", [alice])
    with deployment.changing() as work:
        work.assignments.assign(group, WEB)
    given = token_endpoint.password(web, "alice")
    removed(deployment, group, alice, how)
    assert events(deployment, action)[0]["access_tokens_revoked"] is False
    assert is_valid(deployment, given.token)
    assert token_endpoint.password(web, "alice").scope == set()


@pytest.fixture
def full_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed with space for no user, also where an admin asks for it."""
    monkeypatch.setattr(
        "issuer.revocations.revocations.Revocations._of_operators", property(lambda _: 1)
    )


def test_a_role_or_an_audience_in_use_by_a_group_names_it(deployment: Deployment, web: Credentials):
    group = deployment.group("Platform")
    with deployment.changing() as work:
        work.assignments.assign(group, WEB)
    with pytest.raises(InUse, match="by group Platform"), deployment.changing() as work:
        work.roles.delete("web")
    with pytest.raises(InUse, match="assignment of group Platform"), deployment.changing() as work:
        work.audiences.delete("my-os")
    with deployment.changing() as work:
        work.roles.delete("web", cascade=True)
        assert work.assignments.of(group) == []


def test_the_members_of_the_largest_group_fit_into_the_feed(
    deployment: Deployment, web: Credentials
):
    """With ids as long as those that are generated; dozens of such groups do."""
    group = deployment.group("Everybody")
    now, ids = deployment.clock.now, [f"usr_{number:020}" for number in range(MAX_MEMBERS)]
    user = {"claims": {}, "disabled": False, "name": "", "version": 1, "password_hash": "any"}
    user |= {"created_at": now, "updated_at": now}
    with deployment.changing() as work:
        work.assignments.assign(group, WEB)
    with deployment.services.database.transaction() as session:
        session.execute(insert(PrincipalRow), [{"folded_id": i, "kind": "user"} for i in ids])
        names = ("id", "folded_id", "username", "folded_username")
        session.execute(insert(UserRow), [{**dict.fromkeys(names, i), **user} for i in ids])
        session.execute(insert(GroupMemberRow), [{"group_id": group, "user_id": i} for i in ids])
    before = deployment.services.tokens.revocations.revoked.subjects
    with deployment.changing() as work:
        work.assignments.unassign(group, WEB)
    after = deployment.services.tokens.revocations.revoked.subjects
    assert after.keys() - before.keys() == {*ids}
    entry = len(ids[0]) + ENTRY_BYTES
    assert LIMITS.principal_bytes_of_operators // (entry * MAX_MEMBERS) >= 12


def test_a_membership_says_who_gave_it_and_when(deployment: Deployment):
    group, alice = created(deployment, name="Platform").id, deployment.user("alice")
    administration = deployment.services.administration
    with administration.changing(Actor("helpdesk"), ["issuer:groups:write"]) as work:
        work.groups.add_members(group, [alice])
    with deployment.services.database.reading() as session:
        row = session.scalars(select(GroupMemberRow)).one()
    assert (row.given_by, row.given_as) == ("helpdesk", GivenAs.OTHER)
    assert row.given_at == deployment.clock()
