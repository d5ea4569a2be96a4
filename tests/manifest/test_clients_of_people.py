"""Clients through which people sign in, and resources of audiences, in a manifest."""

import json

import pytest
from joserfc.jwk import ECKey

from issuer.clients.client_metadata import read_client_metadata
from issuer.clients.documents import read_document
from issuer.errors import InUse, NotAllowed
from issuer.manifest import InvalidManifest
from issuer.vocabulary import RegisteredBy
from tests.builders import Deployment
from tests.manifest.declaring import declare, exported, problems, steps

MANIFEST = """\
audiences:
  - id: my-os
    resources:
      - https://os.example
      - https://os.example/mcp
clients:
  - client_id: editor
    audiences:
      - my-os
    first_party: true
    grant_types:
      - authorization_code
      - refresh_token
    post_logout_redirect_uris:
      - https://app.example/
    redirect_uris:
      - "cursor://x/y"
      - http://localhost/callback
    token_endpoint_auth_method: none
    user_rights: all
"""
DOCUMENT = "https://app.example/client.json"
BODY = b'{"client_id": "%s", "redirect_uris": ["https://app.example/"]}' % DOCUMENT.encode()


def registered(deployment: Deployment) -> str:
    """Two clients that no administrator made; the id of one."""
    with deployment.changing() as work:
        work.clients.keep_document(read_document(DOCUMENT, BODY))
        fields = read_client_metadata({"redirect_uris": ["https://app.example/"]})
        return work.clients.register(fields, RegisteredBy.REGISTRATION).client_id


def test_what_is_exported_is_what_was_declared(deployment: Deployment):
    assert declare(deployment.services, MANIFEST).secrets == {}
    text = exported(deployment.services)
    for line in MANIFEST.splitlines():
        assert line.replace('"', "") in text.replace('"', "")
    assert steps(deployment, text) == []


def test_clients_that_registered_themselves_are_no_configuration(deployment: Deployment):
    """They are neither exported nor pruned."""
    client_id = registered(deployment)
    text = exported(deployment.services)
    assert DOCUMENT not in text
    assert client_id not in text
    assert steps(deployment, text, prune=True) == []


def test_their_ids_cannot_be_declared(deployment: Deployment):
    client_id = registered(deployment)
    for name in (client_id, DOCUMENT):
        with pytest.raises(InvalidManifest, match="is taken by a client that registered itself"):
            steps(deployment, f"clients:\n  - client_id: {name}\n")


def test_a_resource_can_move_to_another_audience(deployment: Deployment):
    with_two = "audiences:\n  - id: a-os\n    resources: {}\n  - id: b-os\n    resources: {}\n"
    for first, second in (
        (["https://a.example", "https://b.example"], []),
        ([], ["https://a.example", "https://b.example"]),
        (["https://b.example"], ["https://a.example"]),
        (["https://a.example"], ["https://b.example"]),
    ):
        text = with_two.format(first, second)
        declare(deployment.services, text)
        assert steps(deployment, text) == []


def test_a_name_is_declared_once():
    twice = "audiences:\n  - id: a-os\n    resources: [{}]\n  - id: {}\n    resources: [{}]\n"
    url, other = "https://os.example", "https://other.example"
    assert problems(twice.format(url, "b-os", other)) == []
    for text in (
        twice.format(url, "b-os", url),
        twice.format(url, "b-os", url + "/"),
        twice.format(url, url, other),
    ):
        assert any("is taken by" in problem for problem in problems(text))
    same = "audiences:\n  - id: my-os\nclients:\n  - client_id: my-os\n"
    assert any("is taken by" in problem for problem in problems(same))


def test_keys_are_exported_as_they_were_declared(deployment: Deployment):
    key = ECKey.generate_key("P-256")
    bare = {name: value for name, value in key.as_dict(private=False).items() if name != "kid"}
    text = json.dumps(
        {
            "clients": [
                {"client_id": "batch", "jwks": {"keys": [bare]}},
                {
                    "client_id": "nightly",
                    "token_endpoint_auth_method": "private_key_jwt",
                    "jwks_uri": "https://app.example/jwks",
                },
            ]
        }
    )
    assert declare(deployment.services, text).secrets == {}
    assert steps(deployment, text) == []
    assert key.thumbprint() in exported(deployment.services)
    assert steps(deployment, exported(deployment.services)) == []


def test_the_last_admin_may_move_from_a_secret_to_a_key(deployment: Deployment):
    own = deployment.services.settings.url
    client = {"client_id": "issuer-admin", "scopes": ["issuer:admin"], "audiences": [own]}
    client |= {"token_endpoint_auth_method": "private_key_jwt"}
    with pytest.raises(NotAllowed, match="last holder"):
        steps(deployment, json.dumps({"clients": [client]}))
    client |= {"jwks": {"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}}
    declare(deployment.services, json.dumps({"clients": [client]}))


def test_trusted_issuers_and_trusts_are_declared_together(deployment: Deployment):
    issuer = {"id": "cluster", "issuer": "https://c.example", "keys": {"discovery": True}}
    trust = {"issuer": "cluster", "subject": "system:serviceaccount:prod:web"}
    whole = {"trusted_issuers": [issuer], "clients": [{"client_id": "pod", "trusts": [trust]}]}
    text = json.dumps(whole)
    declare(deployment.services, text)
    assert steps(deployment, text) == []
    assert steps(deployment, exported(deployment.services)) == []
    assert "system:serviceaccount:prod:web" in exported(deployment.services)
    gone = json.dumps({"trusted_issuers": []})
    with pytest.raises(InUse):
        steps(deployment, gone, prune=True)
    declare(deployment.services, json.dumps({"clients": [{"client_id": "pod"}]}))
    assert steps(deployment, gone, prune=True) == ["- delete trusted issuer cluster"]
    nowhere = json.dumps({"clients": [{"client_id": "x", "trusts": [{**trust, "issuer": "no"}]}]})
    with pytest.raises(InvalidManifest, match="there is no trusted issuer 'no'"):
        steps(deployment, nowhere)


def test_where_clients_act_for_people_is_declared(deployment: Deployment):
    external = {"issuer": "https://login.example", "resource": "urn:mcp", "client_id": "x"}
    rules = [{"from": "support", "to": "archive"}, {"from": "my-os", "to": "archive"}]
    agents = {"client_id": "agents", "audiences": ["archive"], "may_act": rules}
    agents |= {"external_audiences": [external]}
    whole = {"audiences": [{"id": "support"}, {"id": "archive"}], "clients": [agents]}
    text = json.dumps(whole)
    declare(deployment.services, text)
    assert steps(deployment, text) == []
    assert steps(deployment, exported(deployment.services)) == []
    assert "from: support" in exported(deployment.services)
    without = json.dumps({"audiences": [{"id": "archive"}, {"id": "my-os"}]})
    with pytest.raises(InUse):
        steps(deployment, without, prune=True)
    declare(deployment.services, json.dumps({"clients": [{**agents, "may_act": []}]}))
    assert steps(deployment, without, prune=True) == ["- delete audience support"]


def test_where_clients_act_for_people_is_checked(deployment: Deployment):
    agents = {"client_id": "agents", "audiences": ["my-os"]}
    for may_act, message in (
        ([{"from": "nowhere", "to": "my-os"}], "there is no audience 'nowhere'"),
        ([{"from": "my-os", "to": "other"}], "other is not among the client's audiences"),
        ([{"from": "my-os", "too": "my-os"}], "did you mean"),
    ):
        text = json.dumps({"clients": [{**agents, "may_act": may_act}]})
        with pytest.raises(InvalidManifest, match=message):
            steps(deployment, text)
