"""`issuer client key`."""

import json
from pathlib import Path

import jwt
import pytest

from tests.cli.driver import Cli

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture(autouse=True)
def batch(cli: Cli) -> dict[str, object]:
    made = cli.json("client", "create", "batch", "--auth-method", "private_key_jwt")
    assert "client_secret" not in made
    return made


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_a_pair_is_made_and_only_its_public_half_is_kept(cli: Cli, alg: str):
    made = cli.json("client", "key", "create", "batch", "--alg", alg)
    (kept,) = cli.json("client", "key", "list", "batch")["items"]
    assert (kept["kid"], kept["alg"], "d" in kept) == (made["kid"], alg, False)
    token = jwt.encode({}, made["private_key"], alg)
    assert jwt.decode(token, jwt.PyJWK(kept, alg), [alg]) == {}
    shown = cli.done("client", "show", "batch")
    assert "PRIVATE KEY" not in shown


def test_the_private_half_goes_to_a_new_file_that_only_its_owner_reads(cli: Cli, tmp_path: Path):
    file = tmp_path / "batch.pem"
    said = cli.done("client", "key", "create", "batch", "--out", str(file))
    assert "PRIVATE KEY" not in said
    assert "BEGIN PRIVATE KEY" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    again = cli("client", "key", "create", "batch", "--out", str(file))
    assert "exists already" in again.sentence
    nowhere = cli("client", "key", "create", "batch", "--out", str(tmp_path / "no" / "batch.pem"))
    assert "cannot be written" in nowhere.sentence
    assert len(cli.json("client", "key", "list", "batch")["items"]) == 1


def test_it_is_shown_once_as_pem_or_as_jwk(cli: Cli):
    said = cli.done("client", "key", "create", "batch")
    assert said.startswith("kid: ")
    assert "BEGIN PRIVATE KEY" in said
    made = cli.json("client", "key", "create", "batch", "--jwk")
    private = json.loads(made["private_key"])
    assert (private["kid"], private["alg"]) == (made["kid"], "ES256")
    assert "d" in private


def test_keys_are_deleted_by_id(cli: Cli):
    first, second = (cli.json("client", "key", "create", "batch")["kid"] for _ in range(2))
    assert cli.json("client", "key", "delete", "batch", first) == {"deleted": first}
    assert [key["kid"] for key in cli.json("client", "key", "list", "batch")["items"]] == [second]
    assert "There is no key" in cli("client", "key", "delete", "batch", first).sentence


def test_keys_and_their_url_are_options_of_a_client(cli: Cli, tmp_path: Path):
    cli.done("client", "key", "create", "batch")
    jwks = cli.json("client", "show", "batch")["jwks"]
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(jwks))
    other = cli.json("client", "create", "other", "--jwks", f"@{file}")
    assert (other["jwks"], "client_secret" in other) == (jwks, False)
    uri = "https://other.example/jwks"
    moved = cli.json("client", "update", "other", "--jwks", "", "--jwks-uri", uri, "--yes")
    assert (moved["jwks"], moved["jwks_uri"]) == (None, uri)
    assert cli.json("client", "update", "other", "--jwks-uri", "", "--yes")["jwks_uri"] is None
    both = cli("client", "create", "third", "--jwks", f"@{file}", "--jwks-uri", uri)
    assert "beside jwks" in both.sentence
