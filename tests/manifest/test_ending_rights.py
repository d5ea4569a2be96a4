"""Roles and scopes that end, in manifests."""

from datetime import datetime, timedelta

import pytest

from issuer.errors import NotAllowed
from issuer.manifest import InvalidManifest, read
from issuer.roles import Assignment
from issuer.vocabulary import ADMIN_CLIENT
from tests.builders import URL, Deployment
from tests.manifest.declaring import declare, exported, planned

MANIFEST = """\
roles: [{name: runner, scopes: [agents:run]}]
clients:
  - client_id: ci-bot
    audiences: [my-os]
    scopes: [agents:read, teams:read]
    scopes_expire_at: {agents:read: 2026-11-25T18:00:00Z}
    roles: [{role: runner, audience: my-os, expires_at: 2026-11-25T20:00:00Z}]
users: [{username: alice, roles: [{role: runner}]}]
"""
SIX = datetime.fromisoformat("2026-11-25T18:00:00Z")
EIGHT = SIX + timedelta(hours=2)


def lines(deployment: Deployment, manifest: str) -> list[str]:
    return list(planned(deployment.services, manifest).lines())


def test_ends_are_planned_applied_and_exported(deployment: Deployment):
    assert "+ assign role runner at my-os to client ci-bot, until 2026-11-25 20:00 UTC" in lines(
        deployment, MANIFEST
    )
    declare(deployment.services, MANIFEST)
    assert lines(deployment, MANIFEST) == []
    assert lines(deployment, exported(deployment.services)) == []
    with deployment.services.administration.reading() as work:
        assert work.clients.get("ci-bot").scopes_expire_at == {"agents:read": SIX}
        assert [each.expires_at for each in work.assignments.of("ci-bot")] == [EIGHT]


def test_another_end_is_one_step(deployment: Deployment):
    """The role is not unassigned meanwhile, which would revoke tokens of members of a group."""
    declare(deployment.services, MANIFEST)
    assert lines(deployment, MANIFEST.replace("T20:00", "T21:00")) == [
        "+ assign role runner at my-os to client ci-bot, until 2026-11-25 21:00 UTC"
    ]
    lasting = MANIFEST.replace(", expires_at: 2026-11-25T20:00:00Z", "")
    assert lines(deployment, lasting) == ["+ assign role runner at my-os to client ci-bot"]
    declare(deployment.services, lasting)
    assert lines(deployment, lasting) == []


def test_a_file_stays_valid_when_an_end_in_it_has_come(deployment: Deployment):
    """What has ended is as if it were not there, before and after it is deleted."""
    declare(deployment.services, MANIFEST)
    for end in (SIX, EIGHT):
        deployment.clock.now = end
        assert lines(deployment, MANIFEST) == []
        deployment.services.administration.delete_expired_rights()
        assert lines(deployment, MANIFEST) == []
    declare(deployment.services, MANIFEST + "groups: []\n")
    with deployment.services.administration.reading() as work:
        assert work.clients.get("ci-bot").scopes == ["teams:read"]
        assert work.assignments.of("ci-bot") == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("[{role: runner}, {role: runner, expires_at: 2027-01-01T00:00:00Z}]", "with two ends"),
        ("[{role: runner, expires_at: 2027-01-01T00:00:00}]", "timezone"),
        ("[{role: runner, expire_at: 2027-01-01T00:00:00Z}]", "did you mean expires_at"),
    ],
)
def test_wrong_ends_are_problems_of_the_file(deployment: Deployment, wrong: str, message: str):
    text = MANIFEST.replace("roles: [{role: runner}]", f"roles: {wrong}")
    with pytest.raises(InvalidManifest, match=message):
        read(text)


def test_no_plan_gives_the_last_administrator_an_end(deployment: Deployment):
    admin = f'{{client_id: issuer-admin, scopes: [issuer:admin], audiences: ["{URL}"]'
    ends = "scopes_expire_at: {issuer:admin: 2027-01-01T00:00:00Z}"
    with pytest.raises(NotAllowed, match="last holder of issuer:admin"):
        planned(deployment.services, f"clients: [{admin}, {ends}}}]")
    other = f'{{client_id: other, scopes: [issuer:admin], audiences: ["{URL}"]}}'
    declare(deployment.services, f"clients: [{admin}, {ends}}}, {other}]")


def test_no_plan_gives_the_group_of_the_last_administrator_an_end(deployment: Deployment):
    """The roles of a group end for its members as well."""
    deployment.client(
        "console",
        audiences=[URL],
        user_rights="all",
        grant_types=["authorization_code"],
        redirect_uris=["https://console.example/"],
    )
    deployment.role("root", ["issuer:admin"])
    group = deployment.group("Admins", [deployment.user("boss")])
    with deployment.changing() as work:
        work.assignments.assign(group, Assignment(role="root", audience=URL))
        work.clients.update(ADMIN_CLIENT, {"disabled": True})
    ending = f'{{role: root, audience: "{URL}", expires_at: 2027-01-01T00:00:00Z}}'
    with pytest.raises(NotAllowed, match="would remove the last holder of issuer:admin"):
        planned(deployment.services, f"groups: [{{name: Admins, roles: [{ending}]}}]")
