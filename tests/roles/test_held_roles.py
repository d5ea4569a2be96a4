"""What users hold through groups and trusted issuers, and who holds a role, on both databases."""

import pytest

from issuer.database.tables import (
    IdentityGroupRow,
    IdentityRow,
    ProviderRoleRow,
)
from issuer.directory import Through
from issuer.errors import InUse
from issuer.manifest.rights import role_effect
from issuer.roles import Assignment, HeldRole, store
from issuer.users import USER
from tests.builders import URL, Deployment
from tests.drivers import TokenDriver
from tests.trusting import OtherIssuer, trusted

AT_OKTA = Through("Admins", issuer_id="okta")


@pytest.fixture
def alice(deployment: Deployment) -> str:
    """In the group Platform here, and in the group Admins of the trusted issuer okta."""
    alice = deployment.user("alice", id="alice")
    deployment.user("bob", id="bob")
    deployment.group("Platform", [alice], id="platform")
    trusted(deployment, OtherIssuer.new(alg="ES256"), id="okta")
    with deployment.services.database.transaction() as session:
        session.add(
            IdentityRow(
                id="idn_1",
                user_id=alice,
                issuer_id="okta",
                subject="00u1",
                name="alice@corp.example",
                created_at=deployment.clock.now,
            )
        )
        session.flush()
        session.add(IdentityGroupRow(identity_id="idn_1", group="Admins"))
    return alice


def mapped(deployment: Deployment, role: str, audience: str | None, group: str = "Admins") -> None:
    """The trusted issuer gives the role to people in that group."""
    with deployment.services.database.transaction() as session:
        session.add(
            ProviderRoleRow(issuer_id="okta", group=group, role_name=role, audience_id=audience)
        )


def held(deployment: Deployment, audience: str = "my-os") -> frozenset[str]:
    directory = deployment.services.tokens.directory
    return directory.load_user("alice").rights.at(directory.load_audience(audience))


def test_each_way_to_a_role_is_named(deployment: Deployment, alice: str):
    deployment.role("web", ["agents:web:run"])
    mapped(deployment, "web", "my-os")
    mapped(deployment, "web", None, "Others")
    with deployment.changing() as work:
        for holder in (alice, "platform"):
            work.assignments.assign(holder, Assignment(role="web", audience="my-os"))
        assert work.assignments.roles_of(alice) == [
            HeldRole(role="web", audience="my-os"),
            HeldRole(role="web", audience="my-os", via=AT_OKTA),
            HeldRole(role="web", audience="my-os", via=Through("Platform", "platform")),
        ]
        assert work.assignments.of(alice) == [Assignment(role="web", audience="my-os")]
        assert str(work.assignments.roles_of(alice)[1]) == (
            "web at my-os through the group Admins at okta"
        )
        holding = work.assignments.principals_with_role("web")
        assert (holding.first(10), holding.count()) == ([alice], 1)
        assert work.assignments.with_holders(["web", "unknown"]) == {"web"}
        assert work.assignments.principals_assigned("web", "", 10) == [alice, "platform"]
        assert work.assignments.count_at("my-os", 10) == 3


def test_a_role_that_is_held_in_several_ways_is_once_in_a_token(
    deployment: Deployment, alice: str, token_endpoint: TokenDriver
):
    deployment.role("web", ["agents:web:run"])
    mapped(deployment, "web", None)
    app = deployment.client("app", grant_types=["password"], scopes=["agents:run"])
    with deployment.changing() as work:
        work.assignments.assign("platform", Assignment(role="web"))
        work.audiences.update("my-os", {"include_roles": True})
    claims = token_endpoint.claims(token_endpoint.password(app, "alice"))
    assert (claims["roles"], claims["scopes"]) == (["web"], ["agents:web:run"])


def test_a_disabled_trusted_issuer_gives_nothing(deployment: Deployment, alice: str):
    deployment.role("web", ["agents:web:run"])
    mapped(deployment, "web", None)
    assert held(deployment) == {"agents:web:run"}
    with deployment.changing() as work:
        assert work.assignments.users_with_role_at("my-os").first(10) == [alice]
        work.trusted_issuers.update("okta", {"disabled": True})
        assert work.assignments.roles_of(alice) == []
        assert work.assignments.users_with_role_at("my-os").first(10) == []
        assert work.assignments.with_holders(["web"]) == set()
    assert held(deployment) == frozenset()


def test_a_trusted_issuer_gives_rights_at_the_issuer_only_where_it_is_named(
    deployment: Deployment, alice: str
):
    deployment.role("administrator", ["issuer:admin", "agents:run"])
    mapped(deployment, "administrator", None)
    assert (held(deployment), held(deployment, URL)) == ({"agents:run"}, frozenset())
    with deployment.services.administration.reading() as work:
        assert not work.authority.holds_rights(alice)
        assert alice not in work.authority.privilege_snapshot().holders
    mapped(deployment, "administrator", URL)
    assert held(deployment, URL) == {"issuer:admin"}
    with deployment.services.administration.reading() as work:
        assert work.authority.holds_rights(alice)
        assert alice in work.authority.privilege_snapshot().holders


def test_an_admin_by_a_trusted_issuer_alone_is_not_the_last_one(deployment: Deployment, alice: str):
    """It may take away tomorrow what it gives today; a group here is changed by admins alone."""
    deployment.role("administrator", ["issuer:admin"])
    mapped(deployment, "administrator", URL)
    with deployment.services.administration.reading() as work:
        assert work.authority.admins_with_password_alone() == 0
    with deployment.changing() as work:
        work.assignments.assign("platform", Assignment(role="administrator"))
    with deployment.services.administration.reading() as work:
        assert work.authority.admins_with_password_alone() == 1


@pytest.mark.parametrize("many", [1, store.MANY])
def test_users_at_an_audience_are_found_by_every_way(
    deployment: Deployment, alice: str, many: int, monkeypatch: pytest.MonkeyPatch
):
    """In pages, and by their names; also where they are too many to read them all."""
    monkeypatch.setattr(store, "MANY", many)
    deployment.role("web", ["agents:web:run"])
    mapped(deployment, "web", "my-os")
    carol = deployment.user("carol", id="carol", roles=["web"])
    deployment.group("Others", ["bob"], ["web"])
    with deployment.services.administration.reading() as work:
        assignments = work.assignments
        users = assignments.users_with_role_at("my-os")
        assert users.first(10) == [alice, "bob", carol]
        assert users.first(1, alice) == ["bob"]
        assert users.count() == min(3, many)
        assert assignments.find_users_with_role_at("my-os", "bo", 10) == ["bob"]
        assert assignments.find_users_with_role_at("my-os", "AL", 10) == [alice]
        assert assignments.find_users_with_role_at(URL, "al", 10) == []


def test_a_role_of_an_empty_group_is_held_by_nobody(deployment: Deployment):
    deployment.role("web", ["agents:web:run"])
    group = deployment.group("Empty", [], ["web"])
    bob = deployment.user("bob")
    with deployment.changing() as work:
        assert work.assignments.with_holders(["web"]) == set()
        work.groups.add_members(group, [bob])
        assert work.assignments.with_holders(["web"]) == {"web"}
        assert work.assignments.principals_with_role("web").first(10) == [bob]


def test_a_changed_role_shows_its_effect_on_everybody_who_holds_it(
    deployment: Deployment, alice: str
):
    deployment.role("web", ["agents:web:run"])
    mapped(deployment, "web", "my-os")
    deployment.group("Others", ["bob"], ["web"])
    with deployment.services.administration.reading() as work:
        before = work.roles.get("web")
        after = before.model_copy(update={"scopes": ["agents:web:run", "agents:read"]})
        effect = role_effect(work, before, after, [USER], 10)
    assert {(each.principal.name, each.gains) for each in effect.shifts} == {
        ("alice", ("agents:read",)),
        ("bob", ("agents:read",)),
    }
    assert [each.name for each in effect.considered] == ["alice", "bob"]


def test_what_a_trusted_issuer_gives_is_in_use(deployment: Deployment, alice: str):
    """With `cascade` it gives it no more."""
    deployment.role("web", ["agents:web:run"])
    mapped(deployment, "web", "my-os")
    with pytest.raises(InUse, match="trusted issuer okta"), deployment.changing() as work:
        work.roles.delete("web")
    with pytest.raises(InUse, match="trusted issuer okta"), deployment.changing() as work:
        work.audiences.delete("my-os")
    with deployment.changing() as work:
        work.audiences.delete("my-os", cascade=True)
        assert list(work.assignments.providers_of("web")) == []
    mapped(deployment, "web", None)
    with deployment.changing() as work:
        work.roles.delete("web", cascade=True)
    assert held_now(deployment) == []


def held_now(deployment: Deployment) -> list[HeldRole]:
    with deployment.services.administration.reading() as work:
        return work.assignments.roles_of("alice")


def test_an_audience_at_which_a_trusted_issuer_gives_a_role_of_admins_is_theirs(
    deployment: Deployment, alice: str
):
    """As where such a role is assigned: only they take the audience from all that use it."""
    deployment.role("administrator", ["issuer:admin"])
    mapped(deployment, "administrator", "my-os")
    with deployment.services.administration.reading() as work:
        assert "my-os" in work.authority.privileged().audiences
