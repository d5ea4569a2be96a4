"""`issuer trusted-issuer` and `issuer client trust`."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.builders import URL
from tests.cli.driver import Cli
from tests.trusted_issuers.test_trusted_issuers import CA
from tests.trusting import GITHUB, POD, OtherIssuer

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def cluster(cli: Cli, tmp_path: Path) -> OtherIssuer:
    cluster = OtherIssuer.new()
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(cluster.jwks))
    options = ["--issuer", cluster.issuer, "--jwks", f"@{file}"]
    made = cli.json("trusted-issuer", "create", "cluster", *options)
    assert made["keys"]["jwks"]["keys"][0]["kid"] == "c1"
    cli.done("client", "create", "pod")
    return cluster


def test_a_trusted_issuer_has_the_commands_of_a_resource(cli: Cli, cluster: OtherIssuer):
    (listed,) = cli.json("trusted-issuer", "list")["items"]
    assert listed == cli.json("trusted-issuer", "show", "cluster")
    moved = cli.json("trusted-issuer", "update", "cluster", "--jwks-uri", "https://a.example/jwks")
    assert moved["keys"] == {"jwks_uri": "https://a.example/jwks"}
    found = cli.json("trusted-issuer", "update", "cluster", "--discovery", "--disabled")
    assert (found["keys"], found["disabled"]) == ({"discovery": True}, True)
    two = cli(
        "trusted-issuer", "update", "cluster", "--discovery", "--jwks-uri", "https://a.example"
    )
    assert two.status == 2
    assert cli.json("trusted-issuer", "delete", "cluster") == {"deleted": "cluster"}


def test_by_default_keys_are_found_by_discovery(cli: Cli):
    made = cli.json("trusted-issuer", "create", "idp", "--issuer", "https://idp.example")
    assert made["keys"] == {"discovery": True}


def test_a_trust_is_added_listed_and_removed(cli: Cli, cluster: OtherIssuer):
    added = cli.json(
        "client", "trust", "add", "pod", "--issuer", "cluster", "--kubernetes", "prod/web", "--once"
    )
    assert added == {
        "issuer": "cluster",
        "subject": POD,
        "audience": None,
        "claims": {},
        "once": True,
    }
    assert cli.json("client", "trust", "list", "pod")["items"] == [added]
    assert "cluster" in cli("trusted-issuer", "delete", "cluster").sentence
    which = ["--issuer", "cluster", "--subject", POD]
    removed = cli.json("client", "trust", "remove", "pod", *which)
    assert removed == {"removed": {"issuer": "cluster", "subject": POD}}
    assert "There is no trust" in cli("client", "trust", "remove", "pod", *which).sentence


def test_the_issuer_of_github_is_made_with_the_first_trust(cli: Cli):
    cli.done("client", "create", "ci")
    of = ["--github", "octo/web", "--owner-id", "1", "--repository-id", "2", "--branch", "main"]
    added = cli.json("client", "trust", "add", "ci", *of, "--claim", 'runner="self"')
    assert added["subject"] == "repo:octo@1/web@2:ref:refs/heads/main"
    assert added["claims"] == {
        "repository_owner_id": "1",
        "repository_id": "2",
        "runner": "self",
    }
    (made,) = cli.json("trusted-issuer", "list")["items"]
    assert (made["id"], made["issuer"]) == ("github", "https://token.actions.githubusercontent.com")


OF_GITHUB = ["--github", "octo/web", "--owner-id", "1", "--repository-id", "2", "--branch", "main"]
OTHER_KEYS = {
    "keys that somebody gave": ["--jwks", "@jwks.json"],
    "another key set": ["--jwks-uri", "https://evil.example/jwks"],
    "another CA": ["--ca-certificate", "@ca.pem"],
}


@pytest.mark.parametrize("which", OTHER_KEYS)
def test_no_issuer_is_trusted_only_because_it_says_that_it_is_github(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
):
    """Who may write trusted issuers may have made one with other keys, before the first trust."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jwks.json").write_text(json.dumps(OtherIssuer.new().jwks))
    (tmp_path / "ca.pem").write_text(CA)
    cli.done("client", "create", "ci")
    options = ["--issuer", GITHUB, *OTHER_KEYS[which]]
    cli.done("trusted-issuer", "create", "actions", *options)
    refused = cli("client", "trust", "add", "ci", *OF_GITHUB)
    assert "actions does not use the keys that https://token.actions" in refused.sentence
    named = cli.json("client", "trust", "add", "ci", *OF_GITHUB, "--issuer", "actions")
    assert named["issuer"] == "actions"


def test_one_of_several_issuers_must_be_named(cli: Cli):
    cli.done("client", "create", "pod")
    for name in ("one", "two"):
        uri = ["--jwks-uri", f"https://{name}.example/keys"]
        cli.done("trusted-issuer", "create", name, "--issuer", "spiffe://prod", *uri)
    workload = ["--spiffe", "spiffe://prod/web"]
    refused = cli("client", "trust", "add", "pod", *workload)
    assert refused.sentence == "issuer: name one: one, two are for spiffe://prod."
    assert cli.json("client", "trust", "add", "pod", *workload, "--issuer", "two")


def test_explain_says_which_rule_failed(cli: Cli, cluster: OtherIssuer):
    cli.done("client", "trust", "add", "pod", "--issuer", "cluster", "--kubernetes", "prod/web")
    now = time.time()

    def explained(token: str) -> Any:
        return cli("client", "trust", "explain", "pod", "--json", stdin=token)

    right = explained(cluster.token(now))
    assert (right.status, right.json["accepted"]) == (0, True)
    for changed, rule in (
        ({"sub": "other"}, "sub is not the subject"),
        ({"aud": "other"}, "aud does not hold"),
        ({"exp": 1}, "expired"),
        ({"iss": "https://other.example"}, "not of this issuer"),
    ):
        wrong = explained(cluster.token(now, **changed))
        assert wrong.status == 1
        assert rule in wrong.json["trusts"][0]["rule"]
    forged = explained(OtherIssuer.new().token(now))
    assert "signature" in forged.json["trusts"][0]["rule"]
    nonsense = cli("client", "trust", "explain", "pod", stdin="not a token")
    assert nonsense.sentence == "token: not a JWT."


def test_explain_says_which_client_a_token_is_without_a_client_id(cli: Cli, cluster: OtherIssuer):
    """RFC 7523 §2.1. Its audience may then be the token endpoint."""
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    trust = ["--issuer", "cluster", "--kubernetes", "prod/web"]
    cli.done("client", "trust", "add", "pod", *trust)
    token = cluster.token(time.time(), aud=f"{URL}/oauth2/token")

    def explained() -> tuple[int, str]:
        answer = cli("client", "trust", "explain", "pod", stdin=token)
        return answer.status, answer.out.splitlines()[-1]

    words = "Without a client id, in the grant jwt-bearer, it is"
    assert explained() == (1, f"{words} of no client.")
    cli.done("client", "update", "pod", "--add-grant-type", grant)
    assert explained() == (0, f"{words} pod.")
    cli.done(
        "client", "create", "second", "--auth-method", "private_key_jwt", "--grant-type", grant
    )
    cli.done("client", "trust", "add", "second", *trust)
    assert explained() == (0, f"{words} refused: pod, second trust it.")


def test_the_issuer_itself_is_no_trusted_issuer(cli: Cli):
    assert "is this issuer" in cli("trusted-issuer", "create", "own", "--issuer", URL).sentence
