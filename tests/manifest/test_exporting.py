"""An export can be kept in git, and restores the same configuration."""

from typing import Any

import pytest
import yaml
from sqlalchemy import event, insert

from issuer.composition import Composition
from issuer.database.tables import RoleRow
from issuer.errors import Forbidden
from issuer.manifest import export
from issuer.roles import Assignment
from tests.builders import OPERATOR, URL, Deployment
from tests.manifest.declaring import declare, exported, planned


@pytest.fixture
def populated(deployment: Deployment) -> Deployment:
    """A deployment with resources of every kind, created in no order."""
    deployment.audience("prod/os", name="Prod", access_token_ttl=60, include_roles=True)
    deployment.role("runner", ["teams:run", "agents:run"])
    deployment.role("admins", ["issuer:admin"])
    deployment.role("empty", [])
    deployment.client("second-admin", roles=["admins"], audiences=[URL])
    deployment.client(
        "CI-Bot",
        name="on",
        roles=["runner"],
        scopes=["b:c", "agents:run", "a:b"],
        audiences=["prod/os", "my-os"],
        grant_types=["password", "client_credentials"],
        access_token_ttl=86_400,
        claims={"z": None, "a": {"y": [1.0, 1, True, "yes"], "b": "\u202e"}, "": {}},
        may_set_session=True,
        disabled=True,
    )
    zoe = deployment.user("Zoë", roles=["empty"], email="zoe@example.org", name="0123")
    deployment.user("bob", id="bob@example.org", disabled=True, claims={"team": {"id": None}})
    with deployment.changing() as work:
        work.clients.create(work.clients.get("CI-Bot").model_copy(update={"client_id": None}))
        for role, audience in (("runner", "prod/os"), ("runner", "my-os"), ("admins", URL)):
            work.assignments.assign(zoe, Assignment(role=role, audience=audience))
    return deployment


def test_applying_an_export_elsewhere_gives_the_same_configuration(
    populated: Deployment, fresh: Composition
):
    text = exported(populated.services)
    applied = declare(fresh, text)
    assert exported(fresh) == text
    assert "CI-Bot" in applied.secrets
    assert not planned(fresh, text, prune=True)
    assert not planned(populated.services, text, prune=True)


def test_a_fresh_issuer_is_unchanged_by_its_own_export(fresh: Composition):
    text = exported(fresh)
    assert not planned(fresh, text, prune=True)
    assert not declare(fresh, text, prune=True).secrets
    assert exported(fresh) == text


def test_an_export_is_readable(populated: Deployment):
    text = exported(populated.services)
    assert (
        """
  - id: prod/os
    name: Prod
    signing_alg: ES256
    access_token_ttl: 60
    include_roles: true

trusted_issuers: []

roles:
  - name: admins
    scopes:
      - issuer:admin
  - name: empty
  - name: runner
    scopes:
      - agents:run
      - teams:run

clients:
  - client_id: CI-Bot
    name: "on"
    grant_types:
      - client_credentials
      - password
"""
        in text
    )
    assert (
        """
    access_token_ttl: 86400
    claims:
      "": {}
      a:
        b: "\\u202E"
        "y":
          - 1.0
          - 1
          - true
          - "yes"
      z: null
    may_set_session: true
    disabled: true
    roles:
      - role: runner
  - client_id: client_"""
        in text
    )


def test_an_export_has_generated_ids_and_no_secrets_or_passwords(populated: Deployment):
    text = exported(populated.services)
    document: dict[str, Any] = yaml.safe_load(text)
    assert {user["id"][:4] for user in document["users"]} == {"usr_", "bob@"}
    client_ids = [each["client_id"] for each in document["clients"]]
    assert [each[:7] for each in client_ids] == ["CI-Bot", "client_", "issuer-", "second-"]
    for secret in ("ais_", "argon2", "password_hash", "created_at", "version"):
        assert secret not in text


def test_the_order_of_an_export_does_not_depend_on_the_database(deployment: Deployment):
    for client_id in ("b", "A", "a-b", "a_b", "a.b"):
        deployment.client(client_id)
    document = yaml.safe_load(exported(deployment.services))
    ids = [each["client_id"] for each in document["clients"]]
    assert ids == sorted(ids)


@pytest.mark.slow
def test_an_export_may_have_many_pages(deployment: Deployment):
    clients = "".join(f"  - client_id: c{number:04}\n" for number in range(1_100))
    declare(deployment.services, f"clients:\n{clients}")
    text = exported(deployment.services)
    assert len(yaml.safe_load(text)["clients"]) == 1_101
    assert not planned(deployment.services, text, prune=True)


def test_an_export_is_a_consistent_snapshot(deployment: Deployment):
    """Also if something is changed while it is read."""
    before = exported(deployment.services)
    created: list[str] = []

    def change(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM roles" in statement and not created:
            created.append("")
            created.append(deployment.role("runner", []))

    event.listen(deployment.services.database.engine, "after_cursor_execute", change)
    assert exported(deployment.services) == before
    assert created[1:] == ["runner"]
    assert "runner" in exported(deployment.services)


SECTIONS = ("audiences", "trusted-issuers", "roles", "clients", "users", "groups")


@pytest.mark.parametrize("missing", SECTIONS)
def test_an_export_needs_the_read_scopes_of_all_sections(deployment: Deployment, missing: str):
    held = {f"issuer:{each}:read" for each in SECTIONS}
    held.remove(f"issuer:{missing}:read")
    with (
        pytest.raises(Forbidden, match=f"issuer:{missing}:read"),
        deployment.services.administration.reading(OPERATOR, held) as work,
    ):
        export(work)


def test_an_export_is_read_in_pages_of_one_snapshot_while_it_is_written(deployment: Deployment):
    """So it takes little memory, whatever happens meanwhile."""
    names = [f"role-{number:04}" for number in range(1_200)]
    common = {"description": "", "scopes": [], "version": 1}
    common |= dict.fromkeys(["created_at", "updated_at"], deployment.clock())
    with deployment.services.database.transaction() as session:
        session.execute(insert(RoleRow), [{"name": name, **common} for name in names])
    read: list[str] = []
    engine = deployment.services.database.engine
    event.listen(engine, "before_cursor_execute", lambda *given: read.append(given[2]))
    with deployment.services.administration.reading() as work:
        pieces = iter(export(work))
        assert any("role-0000" in piece for piece in pieces)  # as far as there
        assert sum("FROM roles" in each for each in read) == 1
        deployment.role("zoo", [])
        rest = "".join(pieces)
    assert "role-1199" in rest
    assert "zoo" not in rest
    assert "zoo" in exported(deployment.services)
