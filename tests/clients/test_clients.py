"""The rules for clients, on both databases."""

import re
import zlib

import pytest

from issuer.clients.client import ClientFields, SecretFields
from issuer.database.tables import ClientSecretRow
from issuer.errors import AlreadyExists, InvalidField, NotAllowed, NotFound
from issuer.roles import Assignment
from tests.builders import Credentials, Deployment
from tests.drivers import TokenDriver


def test_a_secret_has_a_prefix_and_a_checksum_for_secret_scanners(deployment: Deployment):
    """A prefix, 43 random characters, a checksum as eight hexadecimal digits."""
    secret = deployment.client().client_secret
    assert re.fullmatch(r"ais_[0-9A-Za-z]{43}[0-9a-f]{8}", secret)
    assert f"{zlib.crc32(secret[:-8].encode()):08x}" == secret[-8:]


def test_a_generated_id_is_in_lower_case(deployment: Deployment):
    with deployment.changing() as work:
        client = work.clients.create(ClientFields())
    assert re.fullmatch(r"client_[a-z0-9]{20}", client.client_id)


def test_a_secret_moved_to_another_client_in_the_database_is_refused(
    deployment: Deployment, token_endpoint: TokenDriver
):
    mallory = deployment.client("mallory")
    with deployment.services.database.transaction() as session:
        row = session.query(ClientSecretRow).filter_by(client_id="mallory").one()
        row.client_id = deployment.admin.client_id
    deployment.services.tokens.changes.poll()
    grafted = Credentials(deployment.admin.client_id, mallory.client_secret)
    assert token_endpoint.client_credentials(grafted).error == "invalid_client"


@pytest.mark.parametrize("taken", ["ci-bot", "CI-Bot"])
def test_users_and_clients_share_one_namespace_of_ids(deployment: Deployment, taken: str):
    deployment.client("ci-bot")
    with pytest.raises(AlreadyExists):
        deployment.client(taken)
    with pytest.raises(AlreadyExists):
        deployment.user("alice", id=taken)


def test_an_unknown_audience_is_refused(deployment: Deployment):
    with pytest.raises(InvalidField, match="audiences"):
        deployment.client(audiences=["nowhere"])


def test_a_patch_changes_the_members_it_names_and_null_means_the_default(deployment: Deployment):
    client = deployment.client(scopes=["agents:run"], access_token_ttl=60, name="CI")
    with deployment.changing() as work:
        changed = work.clients.update(client.client_id, {"access_token_ttl": None, "scopes": []})
    assert (changed.access_token_ttl, changed.scopes, changed.name) == (None, [], "CI")
    assert changed.audiences == ["my-os"]


@pytest.mark.parametrize("patch", [{"client_id": "other"}, {"client_id": None}, {"colour": 1}])
def test_an_invalid_patch_changes_nothing(deployment: Deployment, patch: dict):
    client = deployment.client("ci-bot", name="before")
    with pytest.raises(InvalidField), deployment.changing() as work:
        work.clients.update(client.client_id, {"name": "after", **patch})
    with deployment.changing() as work:
        assert work.clients.get("ci-bot").name == "before"


def test_every_change_increases_the_version(deployment: Deployment):
    deployment.audience("other-os")
    client = deployment.client()
    with deployment.changing() as work:
        first = work.clients.get(client.client_id).version
        second = work.clients.update(client.client_id, {"audiences": ["other-os"]}).version
        third = work.clients.update(client.client_id, {"claims": {"a": 1}}).version
    assert first < second < third


def test_a_client_has_at_most_ten_secrets(deployment: Deployment):
    client = deployment.client()
    for _ in range(9):
        deployment.secret(client)
    with pytest.raises(NotAllowed):
        deployment.secret(client)


def test_an_expiry_in_the_past_is_refused(deployment: Deployment):
    with pytest.raises(InvalidField, match="expires_at"):
        deployment.secret(deployment.client(), expires_at="2020-01-01T00:00:00Z")
    with pytest.raises(InvalidField, match="expires_at"):
        SecretFields.read({"expires_at": "2030-01-01T00:00:00"})  # without a zone


def test_secrets_of_another_client_cannot_be_deleted(deployment: Deployment):
    ours, theirs = deployment.client(), deployment.client()
    with deployment.changing() as work:
        secret = work.clients.secrets(theirs.client_id)[0]
    with pytest.raises(NotFound), deployment.changing() as work:
        work.clients.delete_secret(ours.client_id, secret.id)


def test_deleting_a_client_deletes_its_assignments(deployment: Deployment):
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot", roles=["runner"])
    with deployment.changing() as work:
        work.clients.delete("ci-bot")
    deployment.client("ci-bot")
    with deployment.changing() as work:
        assert work.assignments.of("ci-bot") == []


def test_pages_list_each_client_once(deployment: Deployment):
    made = {deployment.client().client_id for _ in range(7)} | {deployment.admin.client_id}
    seen: list[str] = []
    after = None
    with deployment.changing() as work:
        while page := work.clients.page(after, 3):
            seen += [client.client_id for client in page]
            after = seen[-1]
    assert sorted(seen) == seen
    assert set(seen) == made


def test_assigning_a_role_twice_needs_one_unassignment(deployment: Deployment):
    deployment.role("runner", ["agents:run"])
    client = deployment.client()
    everywhere, here = Assignment(role="runner"), Assignment(role="runner", audience="my-os")
    with deployment.changing() as work:
        for assignment in (everywhere, here, everywhere, here):
            work.assignments.assign(client.client_id, assignment)
        assert work.assignments.of(client.client_id) == [everywhere, here]
        work.assignments.unassign(client.client_id, everywhere)
        assert work.assignments.of(client.client_id) == [here]
    with pytest.raises(NotFound), deployment.changing() as work:
        work.assignments.unassign(client.client_id, everywhere)


@pytest.mark.parametrize("bad", [{"role": "none"}, {"role": "runner", "audience": "nowhere"}])
def test_an_unknown_role_or_audience_cannot_be_assigned(deployment: Deployment, bad: dict):
    deployment.role("runner", ["agents:run"])
    with pytest.raises(NotFound), deployment.changing() as work:
        work.assignments.assign(deployment.admin.client_id, Assignment(**bad))
