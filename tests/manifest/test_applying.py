"""A plan is applied completely or not at all, with the rules of the single operations."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from sqlalchemy import select

from issuer.audit import Actor
from issuer.composition import Composition
from issuer.database.tables import AuditEventRow
from issuer.errors import AlreadyExists, Forbidden, NotAllowed
from issuer.manifest import ManifestPlan, apply, plan, read
from issuer.manifest.applying import Applied
from issuer.users.passwords import Passwords
from tests.builders import OPERATOR, PASSWORD, URL, Credentials, Deployment
from tests.drivers import TokenDriver
from tests.issuers import Arrange, with_my_os
from tests.manifest.declaring import declare, exported, planned

SECTIONS = ("audiences", "trusted-issuers", "roles", "clients", "users", "groups")
EVERYTHING_BUT_ADMIN = tuple(f"issuer:{section}:write" for section in SECTIONS)

ADMIN = f'{{client_id: issuer-admin, scopes: [issuer:admin], audiences: ["{URL}"]}}'
MANIFEST = """\
audiences: [{id: prod-os}]
roles: [{name: runner, scopes: [agents:run]}]
clients: [{client_id: ci-bot, audiences: [prod-os], roles: [{role: runner}]}]
users: [{username: alice, roles: [{role: runner}]}]
"""


def applied(services: Composition, found: ManifestPlan) -> Applied:
    with services.administration.changing(OPERATOR) as work:
        return apply(work, found)


def test_an_applied_manifest_takes_effect(deployment: Deployment, token_endpoint: TokenDriver):
    made = declare(deployment.services, MANIFEST)
    client = Credentials("ci-bot", made.secrets["ci-bot"])
    assert token_endpoint.client_credentials(client).scope == {"agents:run"}
    declare(deployment.services, MANIFEST.replace("agents:run", "teams:run"))
    assert token_endpoint.client_credentials(client).scope == {"teams:run"}


def test_a_user_from_a_manifest_can_sign_in_once_a_password_is_set(
    deployment: Deployment, token_endpoint: TokenDriver
):
    made = declare(deployment.services, MANIFEST)
    with deployment.changing() as work:
        work.users.set_password(made.user_ids["alice"], Passwords("owasp").prepared(PASSWORD))
    console = deployment.client(scopes=["agents:run"], grant_types=["password"])
    declare(deployment.services, MANIFEST.replace("alice,", "alice, name: A,"))
    assert token_endpoint.password(console, "alice").scope == {"agents:run"}


def test_only_new_clients_get_secrets_and_they_are_not_in_the_repr(deployment: Deployment):
    made = declare(deployment.services, MANIFEST)
    assert made.secrets.keys() == {"ci-bot"}
    assert "ais_" not in repr(made)
    assert declare(deployment.services, MANIFEST + "# again\n").secrets == {}
    with deployment.changing() as work:
        assert len(work.clients.secrets("ci-bot")) == 1


@pytest.mark.parametrize("prune", [False, True])
def test_after_apply_the_plan_is_empty(deployment: Deployment, prune: bool):
    text = MANIFEST.replace("clients: [", f"clients: [{ADMIN}, ")
    declare(deployment.services, text, prune=prune)
    found = planned(deployment.services, text, prune=prune)
    assert not found
    before = exported(deployment.services)
    assert applied(deployment.services, found).secrets == {}
    assert exported(deployment.services) == before


def test_a_plan_is_refused_after_any_other_change(deployment: Deployment):
    found = planned(deployment.services, MANIFEST)
    deployment.role("other", [])
    before = exported(deployment.services)
    with pytest.raises(NotAllowed, match="Make a new plan"):
        applied(deployment.services, found)
    assert exported(deployment.services) == before
    found = planned(deployment.services, MANIFEST)
    applied(deployment.services, found)
    with pytest.raises(NotAllowed, match="Make a new plan"):
        applied(deployment.services, found)


def test_tokens_and_uses_of_secrets_do_not_outdate_a_plan(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client(scopes=["agents:run"])
    found = planned(deployment.services, MANIFEST)
    assert token_endpoint.client_credentials(client).status == 200
    deployment.services.tokens.last_use.write()
    assert applied(deployment.services, found).secrets


def test_every_step_is_audited_with_the_caller_of_apply(deployment: Deployment):
    with deployment.services.administration.changing(Actor("pipeline", request_id="run-7")) as work:
        apply(work, plan(work, read(MANIFEST)))
    query = select(AuditEventRow.action, AuditEventRow.target).order_by(AuditEventRow.id)
    with deployment.services.database.reading() as session:
        events = session.execute(query.where(AuditEventRow.actor == "pipeline")).all()
    alice = [target for action, target in events if action == "user.created"]
    assert [tuple(event) for event in events] == [
        ("audience.created", "prod-os"),
        ("role.created", "runner"),
        ("client.created", "ci-bot"),
        ("client.secret_created", "ci-bot"),
        ("user.created", alice[0]),
        ("role.assigned", "ci-bot"),
        ("role.assigned", alice[0]),
    ]


def test_an_error_in_a_step_changes_nothing(deployment: Deployment):
    before = exported(deployment.services)
    found = planned(deployment.services, MANIFEST)
    with pytest.raises(AlreadyExists):
        applied(deployment.services, replace(found, steps=(*found.steps, found.steps[0])))
    assert exported(deployment.services) == before
    assert applied(deployment.services, found).secrets


def test_a_resource_is_deleted_after_its_uses(deployment: Deployment):
    declare(deployment.services, MANIFEST)
    declare(
        deployment.services,
        f"""\
audiences: []
roles: []
clients: [{ADMIN}, {{client_id: ci-bot}}]
users: [{{username: alice}}]
""",
        prune=True,
    )
    with deployment.changing() as work:
        assert work.roles.page(None, 10) == []
        assert [each.id for each in work.audiences.page(None, 10)] == [URL]


def test_the_last_admin_and_the_issuers_own_audience_are_not_pruned(deployment: Deployment):
    before = exported(deployment.services)
    with pytest.raises(NotAllowed, match="last holder"):
        declare(deployment.services, "clients: []", prune=True)
    assert exported(deployment.services) == before
    second = f'clients: [{{client_id: second, scopes: [issuer:admin], audiences: ["{URL}"]}}]'
    assert "second" in declare(deployment.services, second + "\naudiences: []", prune=True).secrets
    with deployment.changing() as work:
        assert [each.id for each in work.audiences.page(None, 10)] == [URL]


PRIVILEGED = {
    "a new admin": 'clients: [{client_id: new, scopes: ["issuer:admin"]}]',
    "a new client at the issuer": f'clients: [{{client_id: new, audiences: ["{URL}"]}}]',
    "a scope for a client": "clients: [{client_id: plain, scopes: [issuer:keys:read]}]",
    "the issuer for a client": f'clients: [{{client_id: plain, audiences: ["{URL}"]}}]',
    "a privileged client's name": "clients: [{client_id: by-role, audiences: [my-os], name: x,"
    " roles: [{role: key-readers}]}]",
    "deleting a privileged client": "clients: []",
    "a role of an admin": "roles: [{name: new, scopes: [issuer:admin]}]",
    "a role's contents": "roles: [{name: plain, scopes: [issuer:keys:read]}]",
    "a privileged role's contents": "roles: [{name: key-readers}]",
    "an assignment": "users: [{id: bob, username: bob, roles: [{role: key-readers}]}]",
    "an assignment here": f'users: [{{username: bob, roles: [{{role: key-readers,'
    f' audience: "{URL}"}}]}}]',
    "unassigning a role": "users: [{id: alice, username: alice}]",
    "a user's state": "users: [{username: alice, disabled: true, roles: [{role: key-readers}]}]",
    "deleting a user": "users: [{username: bob}]",
    "a role of a group": "groups: [{name: plain, roles: [{role: key-readers}]}]",
    "a new member of a group": "groups: [{name: readers, members: [alice, bob],"
    " roles: [{role: key-readers}]}]",
    "removing a member": "groups: [{name: readers, members: [], roles: [{role: key-readers}]}]",
    "deleting a group": "groups: []",
    "the issuer's own audience": f'audiences: [{{id: "{URL}"}}, {{id: my-os}}]',
}  # fmt: skip


def with_privileged(deployment: Deployment) -> None:
    """`my-os`, resources that hold rights at the issuer, and resources that do not."""
    with_my_os(deployment)
    deployment.role("key-readers", ["issuer:keys:read"])
    deployment.role("plain", ["agents:run"])
    deployment.client("by-role", roles=["key-readers"])
    deployment.client("plain")
    deployment.client("admin-too", scopes=["issuer:admin"], audiences=[URL])
    deployment.user("alice", id="alice", roles=["key-readers"])
    deployment.user("bob", id="bob")
    deployment.group("plain")
    deployment.group("readers", ["alice"], ["key-readers"])


@pytest.fixture
def arrange(request: pytest.FixtureRequest) -> Arrange:
    return with_privileged if "privileged" in request.fixturenames else with_my_os


@pytest.fixture
def privileged(deployment: Deployment) -> Deployment:
    return deployment


def attempt(deployment: Deployment, text: str, held: Iterable[str]) -> None:
    prune = text.endswith("[]") or "bob}]" in text
    with deployment.services.administration.changing(OPERATOR, held) as work:
        found = plan(work, read(text, work=work, prune=prune), prune=prune)
        assert found
        apply(work, found)


@pytest.mark.parametrize("case", PRIVILEGED)
def test_only_admins_change_what_holds_or_grants_rights_at_the_issuer(
    privileged: Deployment, case: str
):
    """As for single operations."""
    before = exported(privileged.services)
    with pytest.raises(Forbidden, match="issuer:admin"):
        attempt(privileged, PRIVILEGED[case], EVERYTHING_BUT_ADMIN)
    assert exported(privileged.services) == before
    if case != "deleting a privileged client":
        attempt(privileged, PRIVILEGED[case], ["issuer:admin"])


ORDINARY = {
    "audiences": "audiences: [{id: my-os, name: x}]",
    "trusted-issuers": "trusted_issuers: [{id: c, issuer: https://c.example,"
    " keys: {discovery: true}}]",
    "roles": "roles: [{name: plain, scopes: [teams:run]}]",
    "clients": "clients: [{client_id: plain, roles: [{role: plain}]}]",
    "users": "users: [{username: bob, disabled: true, roles: [{role: plain}]}]",
    "groups": "groups: [{name: plain, members: [bob], roles: [{role: plain}]}]",
}


@pytest.mark.parametrize("section", SECTIONS)
def test_each_section_needs_its_own_write_scope(privileged: Deployment, section: str):
    reading = {f"issuer:{each}:read" for each in SECTIONS}
    attempt(privileged, ORDINARY[section], reading | {f"issuer:{section}:write"})
    for other in set(SECTIONS) - {section}:
        before = exported(privileged.services)
        with pytest.raises(Forbidden, match=f"issuer:{other}:write"):
            attempt(privileged, ORDINARY[other], reading | {f"issuer:{section}:write"})
        assert exported(privileged.services) == before


def test_assigning_a_role_to_a_client_needs_only_the_scope_for_clients(
    privileged: Deployment,
):
    reading = {f"issuer:{each}:read" for each in SECTIONS}
    text = "clients: [{client_id: plain, audiences: [my-os], roles: [{role: plain}]}]"
    with pytest.raises(Forbidden, match="issuer:clients:write"):
        attempt(privileged, text, reading | {"issuer:users:write", "issuer:roles:write"})
    attempt(privileged, text, reading | {"issuer:clients:write"})
