"""`issuer trusted-issuer` for people, and `issuer user identity`."""

import json
from pathlib import Path

import pytest

from tests.cli.driver import Cli
from tests.rows import rows
from tests.trusting import OtherIssuer

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])
GOOGLE = ["--google", "acme.example", "--sign-in-client-id", "ours"]


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "secret"
    file.write_text("the-secret\n")
    return f"@{file}"


def test_a_provider_needs_its_customer_and_the_client(cli: Cli, secret: str):
    made = cli.json(
        "trusted-issuer", "create", "google", *GOOGLE, "--sign-in-client-secret", secret
    )
    assert (made["issuer"], made["kinds"]) == ("https://accounts.google.com", ["people"])
    assert made["keys"] == {"discovery": True}
    assert made["sign_in"]["required_claims"] == {"hd": "acme.example"}
    assert made["sign_in"]["client_id"] == "ours"
    assert "the-secret" not in json.dumps(made)


@rows(
    ("provider", "scopes"),
    [
        (["--issuer", "https://dex.example"], ["openid", "profile", "email", "groups"]),
        (["--okta", "acme.okta.com"], ["openid", "profile", "email", "groups"]),
        (["--github", "acme"], ["read:user", "user:email", "read:org", "groups"]),
    ],
)
def test_a_scope_is_asked_for_in_addition(cli: Cli, provider: list[str], scopes: list[str]):
    made = cli.json(
        *("trusted-issuer", "create", provider[0].strip("-"), *provider),
        *("--sign-in-client-id", "ours", "--sign-in-scope", "groups"),
    )
    assert made["sign_in"]["scopes"] == scopes
    replaced = cli.json("trusted-issuer", "update", made["id"], "--sign-in-scope", "openid")
    assert replaced["sign_in"]["scopes"] == ["openid"]


@pytest.mark.parametrize(
    "provider", [["--okta", "acme.okta.com"], ["--agentos-issuer", "https://other.example"]]
)
def test_without_the_client_a_provider_is_not_made_as_one_of_workloads(
    cli: Cli, provider: list[str]
):
    refused = cli("trusted-issuer", "create", "other", *provider)
    assert (refused.status, "sign_in.client_id" in refused.err) == (1, True)
    assert cli.json("trusted-issuer", "list")["items"] == []


def test_options_are_one_member_and_change_what_they_name(cli: Cli):
    cli.done("trusted-issuer", "create", "google", *GOOGLE)
    cli.done("role", "create", "runner", "--scope", "agents:run")
    changed = cli.json(
        *("trusted-issuer", "update", "google", "--groups-claim", "groups", "--provision"),
        *("--map-group", "CN=Engineers,OU=a=runner@*", "--required-claims", '{"a": 1}'),
    )
    assert changed["sign_in"]["roles"] == [
        {"group": "CN=Engineers,OU=a", "role": "runner", "audience": None}
    ]
    assert changed["sign_in"]["required_claims"] == {"hd": "acme.example", "a": 1}
    assert changed["sign_in"]["provision"] is True
    emptied = cli.json("trusted-issuer", "update", "google", "--map-group", "", "--id-jag")
    assert (emptied["sign_in"]["roles"], emptied["sign_in"]["id_jag"]) == ([], True)
    workload = cli.json("trusted-issuer", "update", "google", "--kind", "workload", "--yes")
    assert (workload["kinds"], workload["sign_in"]) == (["workload"], None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sign-in-client-secret", "the-secret", *GOOGLE], "must be @FILE"),
        (["--map-group", "engineers", *GOOGLE], "GROUP=ROLE@AUDIENCE"),
        (["--issuer", "https://a.example", *GOOGLE], "an option that implies it"),
        (["--github", "acme", *GOOGLE], "name one of"),
        (["--google", "x y"], "--google must be"),
        ([], "--issuer is required"),
    ],
)
def test_what_contradicts_itself_is_wrong_usage(cli: Cli, options: list[str], message: str):
    refused = cli("trusted-issuer", "create", "google", *options)
    assert refused.status == 2
    assert message in " ".join(refused.err.replace("│", " ").split())


def test_an_account_is_linked_listed_and_unlinked(cli: Cli, tmp_path: Path):
    cli.done("trusted-issuer", "create", "google", *GOOGLE)
    cli.done("user", "create", "alice")
    linked = cli.json("user", "identity", "add", "alice", "--issuer", "google", "--subject", "s-1")
    assert (linked["issuer"], linked["subject"], linked["groups"]) == ("google", "s-1", [])
    assert cli.json("user", "identity", "list", "alice")["items"] == [linked]
    again = cli("user", "identity", "add", "alice", "--issuer", "google", "--subject", "s-1")
    assert (again.status, "linked to a user already" in again.err) == (1, True)
    refused = cli("trusted-issuer", "delete", "google")
    assert refused.sentence == (
        "The trusted issuer 'google' is in use by user alice."
        " With --cascade it is deleted, and removed from there."
    )
    assert cli.json("user", "identity", "remove", "alice", linked["id"]) == {
        "removed": linked["id"]
    }
    assert cli.json("trusted-issuer", "delete", "google") == {"deleted": "google"}


def test_a_file_of_keys_is_for_networks_without_the_provider(cli: Cli, tmp_path: Path):
    other = OtherIssuer.new("https://login.company.example", "ES256")
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(other.jwks))
    made = cli.json(
        *("trusted-issuer", "create", "company", "--agentos-issuer", other.issuer),
        *("--sign-in-client-id", "ours", "--jwks", f"@{file}", "--algorithm", "ES256"),
    )
    assert made["keys"]["jwks"]["keys"][0]["kid"] == "c1"


def test_a_role_is_assigned_to_a_group_there_and_unassigned(cli: Cli):
    """The other roles of groups stay."""
    cli.done("role", "create", "runner", "--scope", "agents:run")
    cli.done("audience", "create", "my-os")
    everybody = ("--map-group", "everybody=runner@*")
    cli.done("trusted-issuer", "create", "google", *GOOGLE, *everybody)
    named = ("google", "runner", "--group", "staff", "--audience", "my-os")
    assert cli("trusted-issuer", "role", "assign", *named[:4]).status != 0
    said = cli.done("trusted-issuer", "role", "assign", *named)
    assert "The role runner is assigned to the group staff of google, at my-os." in said
    cli.done("trusted-issuer", "role", "assign", *named)
    everywhere = {"group": "everybody", "role": "runner", "audience": None}
    at_one = {"group": "staff", "role": "runner", "audience": "my-os"}
    listed = cli.json("trusted-issuer", "role", "list", "google")["items"]
    assert sorted(listed, key=lambda each: each["group"]) == [everywhere, at_one]
    cli.done("trusted-issuer", "role", "unassign", *named, "--yes")
    assert cli.json("trusted-issuer", "role", "list", "google")["items"] == [everywhere]
    assert cli("trusted-issuer", "role", "unassign", *named, "--yes").status != 0


def test_its_button_has_a_name_and_can_be_hidden(cli: Cli):
    cli.done("trusted-issuer", "create", "google", *GOOGLE, "--sign-in-hidden")
    made = cli.json("trusted-issuer", "update", "google", "--sign-in-name", "Acme SSO")
    assert (made["sign_in"]["name"], made["sign_in"]["shown"]) == ("Acme SSO", False)
    assert cli.json("trusted-issuer", "update", "google", "--sign-in-shown")["sign_in"]["shown"]
    assert cli("trusted-issuer", "update", "google", "--sign-in-name", "x" * 61).status != 0


def test_the_command_shows_what_to_enter_at_the_provider(cli: Cli, secret: str):
    cli.json("trusted-issuer", "create", "google", *GOOGLE, "--sign-in-client-secret", secret)
    shown = cli.json("trusted-issuer", "show", "google")["registration"]
    assert shown["security_events_uri"].endswith("/oauth2/security-events")
    assert shown["post_logout_redirect_uri"].endswith("/sign-out")
    assert "/oauth2/frontchannel-logout" in cli.done("trusted-issuer", "show", "google")


def test_the_command_warns_of_whose_departure_nobody_would_tell(cli: Cli):
    cli.json("user", "create", "alice")
    assert "nothing so far: disable the user here" in cli.done("user", "show", "alice")
    assert cli.json("user", "show", "alice")["noticed_by"] == []
