"""`--keep-credentials`, and what is printed where somebody gets rights at the issuer."""

import json
import re
from pathlib import Path

import pytest

from issuer.audit import Actor
from issuer.clients.client import SecretFields
from issuer.keys.private_key import generate, public_jwk
from issuer.vocabulary import SigningAlgorithm
from tests.builders import PASSWORD, URL, hashed
from tests.cli.driver import Cli

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

HELPDESK = ["issuer:clients:write", "issuer:users:write"]


@pytest.fixture
def secrets(cli: Cli) -> list[str]:
    """The ids of two secrets that the helpdesk added to ci; it knows the password of bob."""
    cli.done("audience", "create", "my-os")
    cli.done("role", "create", "keepers", "--scope", "issuer:keys:read")
    cli.done("role", "create", "later", "--scope", "agents:run")
    cli.done("client", "create", "ci", "--audience", "my-os")
    cli.done("client", "role", "assign", "ci", "later", "--everywhere")
    cli.done("user", "create", "bob", "--id", "bob")
    with (
        cli.composition() as parts,
        parts.administration.changing(Actor("helpdesk"), HELPDESK) as work,
    ):
        work.users.set_password("bob", hashed(PASSWORD, "owasp"))
        return [work.clients.add_secret("ci", SecretFields())[0].id for _ in range(2)]


def test_each_command_that_gives_rights_names_what_others_gave_and_keeps_it(
    cli: Cli, secrets: list[str], tmp_path: Path
):
    manifest = tmp_path / "issuer.yaml"
    manifest.write_text(json.dumps({"roles": [{"name": "later", "scopes": ["issuer:keys:read"]}]}))
    ways = [
        ["client", "role", "assign", "ci", "keepers", "--audience", URL],
        ["client", "update", "ci", "--add-audience", URL],
        ["role", "update", "later", "--scope", "issuer:keys:read"],
        ["apply", "-f", str(manifest)],
    ]
    for way in ways:
        sentence = cli(*way).sentence
        assert all(f"{each}, given by helpdesk" in sentence for each in secrets)
        assert "--keep-credentials" in sentence
    assert secrets[1] in cli(*ways[0], "--keep-credentials", secrets[0]).sentence
    cli.done(*ways[3], "--keep-credentials", ",".join(secrets))


def test_recovering_the_admin_client_names_what_others_gave_and_keeps_it(
    cli: Cli, secrets: list[str]
):
    key = public_jwk(generate(SigningAlgorithm.ES256), SigningAlgorithm.ES256)
    taken = {"scopes": [], "audiences": []}
    cli.done("client", "create", "other", "--scope", "issuer:admin", "--audience", URL)
    with cli.composition() as parts:
        with parts.administration.changing(Actor("root", is_local=True)) as work:
            work.clients.update("issuer-admin", taken)
        with parts.administration.changing(Actor("helpdesk"), HELPDESK) as work:
            work.clients.add_key("issuer-admin", key)
    refused = cli("admin", "recover").sentence
    assert f"key {key['kid']} of issuer-admin" in refused
    (kept,) = re.findall(r"\((key_\w+), given by helpdesk\)", refused)
    cli.done("admin", "recover", "--keep-credentials", kept)


def test_a_user_who_cannot_sign_in_any_more_is_named_on_standard_error(
    cli: Cli, secrets: list[str]
):
    result = cli("user", "role", "assign", "bob", "keepers", "--everywhere")
    assert result.status == 0
    (warning,) = result.warnings
    assert "bob has rights at the issuer now and cannot sign in" in warning


def test_a_new_administrator_whose_password_others_gave_is_invited(cli: Cli, secrets: list[str]):
    assert "/invitation/" in cli("admin", "invite", "bob").out


def test_members_whom_others_added_are_named_and_kept_by_the_id_of_the_user(
    cli: Cli, tmp_path: Path
):
    cli.done("role", "create", "keepers", "--scope", "issuer:keys:read")
    cli.done("role", "create", "later", "--scope", "agents:run")
    cli.done("user", "create", "bob", "--id", "bob")
    cli.done("group", "create", "Platform")
    cli.done("group", "role", "assign", "Platform", "later", "--everywhere")
    with (
        cli.composition() as parts,
        parts.administration.changing(Actor("helpdesk"), ["issuer:groups:write"]) as work,
    ):
        work.groups.add_members(work.groups.get_by_name("Platform").id, ["bob"])
    manifest = tmp_path / "issuer.yaml"
    manifest.write_text(json.dumps({"roles": [{"name": "later", "scopes": ["issuer:keys:read"]}]}))
    ways = [
        ["group", "role", "assign", "Platform", "keepers", "--audience", URL],
        ["role", "update", "later", "--scope", "issuer:keys:read"],
        ["apply", "-f", str(manifest)],
    ]
    for way in ways:
        sentence = cli(*way).sentence
        assert "bob in the group Platform (bob, added by helpdesk)" in sentence
        assert "--keep-members" in sentence
    assert "needs --keep-members bob" in cli.done("plan", "-f", str(manifest))
    cli.done(*ways[2], "--keep-members", "bob")
