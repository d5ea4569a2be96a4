"""`issuer key export`."""

import json
import re
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import JWKRegistry, KeySet
from starlette.testclient import TestClient

from issuer.composition import compose
from issuer.server.app import create_app
from issuer.settings import Settings
from tests.cli.driver import Cli

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
# The packages behind it are tested on both databases.
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])


def next_key(cli: Cli) -> str:
    return str(cli.json("key", "list")["items"][0]["kid"])


@pytest.fixture
def mixed(new_cli: Cli, migrated_database_url: str) -> Cli:
    """A deployment whose audiences use keys of every type."""
    algorithms = {"ISSUER_SIGNING_ALGORITHMS": "ES256,RS256,EdDSA,PS256"}
    cli = new_cli.with_environment(ISSUER_DATABASE_URL=migrated_database_url, **algorithms)
    cli.done("init")
    for alg in ("RS256", "EdDSA"):
        cli.done("audience", "create", alg, "--signing-alg", alg)
    return cli


def published(cli: Cli) -> list[dict[str, str]]:
    settings = Settings.from_environment(cli.environment)
    with TestClient(create_app(compose(settings)), base_url=settings.url) as http:
        return http.get("/.well-known/jwks.json").json()["keys"]


@pytest.mark.parametrize("form", [[], ["--jwks"], ["--json"]])
def test_the_exported_key_set_is_the_published_one(cli: Cli, form: list[str]):
    cli.done("key", "revoke", next_key(cli))
    keys = json.loads(cli.done("key", "export", *form))["keys"]
    assert keys == published(cli)
    assert len(keys) == 2
    assert not any(PRIVATE_MEMBERS & key.keys() for key in keys)


@on_sqlite
def test_exported_pem_is_the_public_part_of_each_published_key(mixed: Cli):
    """In the same order; RFC 7468 §13."""
    text = mixed.done("key", "export", "--pem")
    assert "PRIVATE" not in text
    blocks = re.findall(r"-----BEGIN PUBLIC KEY-----\n.+?-----END PUBLIC KEY-----\n", text, re.S)
    assert "".join(blocks) == text
    keys = published(mixed)
    assert {key["alg"] for key in keys} == {"ES256", "RS256", "EdDSA"}
    types = {"ES256": "EC", "RS256": "RSA", "EdDSA": "OKP"}
    read = [JWKRegistry.import_key(b, types[k["alg"]]) for b, k in zip(blocks, keys, strict=True)]
    assert [key.thumbprint() for key in read] == [key["kid"] for key in keys]
    assert not any(key.is_private for key in read)


@on_sqlite
def test_what_is_signed_verifies_with_what_is_exported(cli: Cli):
    with cli.composition() as composition:
        composition.keys.keyring.reload()
        signed = composition.keys.keyring.sign(
            composition.settings.signing_algorithms[0], "JWT", {"a": 1}
        )
    key_set = KeySet.import_key_set(json.loads(cli.done("key", "export", "--jwks")))
    assert jwt.decode(signed.token, key_set, algorithms=["ES256"]).claims == {"a": 1}
    pems = cli.done("key", "export", "--pem").split("-----END PUBLIC KEY-----\n")[:-1]
    keys = [JWKRegistry.import_key(pem + "-----END PUBLIC KEY-----\n", "EC") for pem in pems]
    (key,) = [key for key in keys if key.thumbprint() == signed.kid]
    assert jwt.decode(signed.token, key, algorithms=["ES256"]).claims == {"a": 1}


@on_sqlite
def test_one_form_at_a_time(cli: Cli):
    assert cli("key", "export", "--jwks", "--pem").status == 2


@on_sqlite
def test_a_key_set_that_would_lack_a_key_is_not_exported(cli: Cli, tmp_path: Path):
    """A verifier with it would refuse valid tokens."""
    in_folder = cli.with_environment(ISSUER_KEY_FOLDER=str(tmp_path / "keys"))
    in_folder.done("init")
    in_folder.done("key", "revoke", next_key(cli))
    refused = cli("key", "export")
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.splitlines()[-1].endswith("is in a key folder: set ISSUER_KEY_FOLDER.")
