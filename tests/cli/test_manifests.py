"""`issuer plan`, `apply` and `export`: the configuration as a file."""

import json
import re
from pathlib import Path

import pytest

from tests.builders import URL
from tests.cli.driver import Cli

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])
# The settings of the server, or the last rights of the operator, would change.
on_host = pytest.mark.parametrize("way", ["host"])

MANIFEST = """\
audiences: [{id: my-os}]
roles: [{name: runner, scopes: [agents:run]}]
clients: [{client_id: ci-bot, audiences: [my-os], roles: [{role: runner}]}]
users: [{username: alice}]
"""
INVALID = """\
audiences: [{id: "no spaces please"}]
roles:
  - {name: runner, scopes: [agents:run], colour: red}
clients:
  - {client_id: ci-bot, audiences: [nowhere]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "issuer.yaml"
    path.write_text(MANIFEST)
    return path


@pytest.fixture
def secrets_file(tmp_path: Path) -> Path:
    return tmp_path / "secrets.json"


def test_a_plan_is_applied_as_it_was_shown(cli: Cli, file: Path):
    shown = cli.done("plan", "-f", str(file))
    assert "+ create client ci-bot" in shown
    assert "ci-bot gains agents:run at my-os" in shown
    proposed = re.search(r"issuer (apply .* --expect \d+)\n", shown)
    assert proposed
    assert cli("client", "show", "ci-bot").status == 1
    applied = cli.done(*proposed[1].split())
    assert "+ create client ci-bot" in applied
    assert cli.json("client", "show", "ci-bot")["audiences"] == ["my-os"]
    assert cli.done("plan", "-f", str(file)) == "There is nothing to change.\n"
    again = cli.done("apply", "-f", str(file))
    assert "There was nothing to change." in again
    assert "ais_" not in again


@on_sqlite
def test_the_exit_status_of_a_plan_shows_whether_there_are_changes(cli: Cli, file: Path):
    assert cli("plan", "-f", str(file)).status == 0
    plan = ["plan", "-f", str(file), "--detailed-exitcode"]
    for form in ([], ["--json"]):
        planned = cli(*plan, *form)
        assert (planned.status, planned.errors) == (3, [])
        assert "ci-bot" in planned.out
    cli.done("apply", "-f", str(file))
    assert cli(*plan).status == 0
    file.write_text(INVALID)
    assert cli(*plan).status == 1
    assert cli("plan", "--detailed-exitcode").status == 2


@on_host
def test_a_plan_that_would_leave_no_administrator_is_refused_before_it_is_applied(
    cli: Cli, file: Path
):
    refused = cli("plan", "-f", str(file), "--prune").sentence
    assert refused == (
        "This would remove the last holder of issuer:admin (client issuer-admin). Declare one in"
        " the manifest."
    )
    assert cli("apply", "-f", str(file), "--prune").sentence == refused
    other = f"""\
clients: [{{client_id: other-admin, scopes: [issuer:admin], audiences: ["{URL}"]}}]
"""
    file.write_text(other)
    assert "- delete client issuer-admin" in cli.done("plan", "-f", str(file), "--prune")
    cli.done("apply", "-f", str(file), "--prune", "--yes")
    file.write_text(other.replace("issuer:admin", "issuer:audit:read"))
    assert "(client other-admin)" in cli("plan", "-f", str(file)).sentence
    file.write_text(other.replace("scopes", "grant_types: [password], scopes"))
    assert "(client" in cli("plan", "-f", str(file)).sentence


@on_sqlite
@on_host
def test_a_plan_that_would_change_an_algorithm_too_soon_is_refused(cli: Cli, file: Path):
    cli = cli.with_environment(ISSUER_SIGNING_ALGORITHMS="ES256,RS256,EdDSA")
    cli.done("init")
    cli.done("audience", "create", "my-os", "--signing-alg", "RS256")
    cli.done("audience", "update", "my-os", "--signing-alg", "ES256")
    file.write_text("audiences: [{id: my-os, signing_alg: EdDSA}]\n")
    refused = cli("plan", "-f", str(file)).sentence
    assert "It is changing from RS256 to ES256" in refused
    assert cli("apply", "-f", str(file)).sentence == refused


@on_sqlite
def test_a_plan_in_json(cli: Cli, file: Path):
    plan = cli.json("plan", "-f", str(file))
    assert plan.keys() == {"change_count", "changes", "rights", "credentials", "members"}
    assert plan["rights"][0]["gains"] == ["agents:run"]
    applied = cli.json("apply", "-f", str(file), "--expect", str(plan["change_count"]))
    assert {name: applied[name] for name in plan} == plan
    assert applied["client_secrets"]["ci-bot"].startswith("ais_")
    assert applied["user_ids"]["alice"] == cli.json("user", "show", "alice")["id"]


def test_apply_refuses_if_anything_changed_since_the_plan(cli: Cli, file: Path):
    count = cli.json("plan", "-f", str(file))["change_count"]
    cli.done("role", "create", "other")
    assert cli("apply", "-f", str(file), "--expect", str(count)).sentence == (
        "The configuration has changed since the plan was made. Make a new plan."
    )
    assert cli("client", "show", "ci-bot").status == 1


@on_sqlite
def test_pruning_deletes_what_the_sections_do_not_name(cli: Cli, tmp_path: Path):
    cli.done("role", "create", "leftover")
    file = tmp_path / "roles.yaml"
    file.write_text("roles: []\n")
    assert cli.done("plan", "-f", str(file)) == "There is nothing to change.\n"
    shown = cli.done("plan", "-f", str(file), "--prune")
    assert "- delete role leftover" in shown
    assert f"issuer apply -f {file} --prune --expect" in shown
    cli.done("apply", "-f", str(file), "--prune", "--yes")
    assert cli("role", "show", "leftover").status == 1
    cli.json("client", "show", "issuer-admin")


@on_sqlite
def test_secrets_of_new_clients_are_shown_once(cli: Cli, file: Path):
    applied = cli.done("apply", "-f", str(file))
    assert len(re.findall(r"^ci-bot client_secret: ais_\S+$", applied, re.MULTILINE)) == 1
    assert applied.count("ais_") == 1


@on_sqlite
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_secrets_of_new_clients_go_to_a_private_file(
    cli: Cli, file: Path, secrets_file: Path, form: list[str]
):
    applied = cli.done("apply", "-f", str(file), "--secrets-file", str(secrets_file), *form)
    assert "ais_" not in applied
    assert str(secrets_file) in applied
    assert secrets_file.stat().st_mode & 0o777 == 0o600
    secrets = json.loads(secrets_file.read_text())
    assert list(secrets) == ["ci-bot"]
    assert secrets["ci-bot"].startswith("ais_")


@on_sqlite
def test_a_secrets_file_is_never_overwritten(cli: Cli, file: Path, secrets_file: Path):
    secrets_file.write_text("precious")
    refused = cli("apply", "-f", str(file), "--secrets-file", str(secrets_file)).sentence
    assert "already exists" in refused
    assert secrets_file.read_text() == "precious"
    assert cli("client", "show", "ci-bot").status == 1


@on_sqlite
def test_without_new_clients_there_is_no_secrets_file(cli: Cli, file: Path, secrets_file: Path):
    file.write_text("roles: [{name: runner}]\n")
    applied = cli.json("apply", "-f", str(file), "--secrets-file", str(secrets_file))
    assert applied["client_secrets"] == {}
    assert not secrets_file.exists()


def test_nothing_is_applied_if_the_secrets_cannot_be_written(cli: Cli, file: Path, tmp_path: Path):
    nowhere = tmp_path / "nowhere" / "secrets.json"
    refused = cli("apply", "-f", str(file), "--secrets-file", str(nowhere)).sentence
    assert refused == f"{nowhere} cannot be written: No such file or directory."
    assert cli("client", "show", "ci-bot").status == 1
    assert cli("role", "show", "runner").status == 1


def test_a_refused_manifest_leaves_no_secrets_behind(cli: Cli, file: Path, secrets_file: Path):
    """Whether an administrator remains is only known after all changes."""
    file.write_text("clients: [{client_id: issuer-admin}, {client_id: ci-bot}]\n")
    refused = cli("apply", "-f", str(file), "--secrets-file", str(secrets_file)).sentence
    assert "issuer:admin" in refused
    assert not secrets_file.exists()
    assert list(secrets_file.parent.glob("*.partial")) == []
    assert cli("client", "show", "ci-bot").status == 1


@on_sqlite
@pytest.mark.parametrize("command", ["plan", "apply"])
def test_every_problem_of_a_file_is_printed_with_its_line(cli: Cli, file: Path, command: str):
    file.write_text(INVALID)
    refused = cli(command, "-f", str(file))
    assert (refused.status, refused.out) == (1, "")
    first, second, third = refused.err.splitlines()
    assert first.startswith(f"{file}:1: audiences[0].id: ")
    assert second == f"{file}:3: roles[0].colour: is not a known member"
    assert third.startswith(f"{file}:5: clients[0].audiences[0]: ")
    assert cli("role", "show", "runner").status == 1


@on_sqlite
@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_file_that_cannot_be_read_is_one_sentence(cli: Cli, tmp_path: Path, command: str):
    missing = tmp_path / "missing.yaml"
    assert cli(command, "-f", str(missing)).sentence == (
        f"{missing} cannot be read: No such file or directory."
    )
    assert "Is a directory" in cli(command, "-f", str(tmp_path)).sentence
    assert cli(command).status == 2


@on_sqlite
def test_a_manifest_comes_from_standard_input_too(cli: Cli):
    assert "+ create client ci-bot" in cli.done("plan", "-f", "-", stdin=MANIFEST)
    cli.done("apply", "-f", "-", stdin=MANIFEST)
    refused = cli("plan", "-f", "-", stdin=INVALID)
    assert refused.err.startswith("-:1: ")


def test_an_export_is_a_manifest(cli: Cli, file: Path, tmp_path: Path):
    cli.done("apply", "-f", str(file))
    exported = tmp_path / "exported.yaml"
    exported.write_text(cli.done("export"))
    assert "client_id: ci-bot" in exported.read_text()
    assert "ais_" not in exported.read_text()
    assert cli.done("plan", "-f", str(exported), "--prune") == "There is nothing to change.\n"


@on_sqlite
def test_an_export_as_json_is_the_same_manifest(cli: Cli, file: Path):
    cli.done("apply", "-f", str(file))
    exported = cli.json("export")
    assert exported["roles"] == [{"name": "runner", "scopes": ["agents:run"]}]
    as_text = json.dumps(exported)
    assert "nothing to change" in cli.done("plan", "-f", "-", "--prune", stdin=as_text)


def test_the_schema_of_a_manifest_needs_no_deployment(new_cli: Cli):
    schema = new_cli.json("export", "--schema")
    sections = {"audiences", "trusted_issuers", "roles", "clients", "users", "groups"}
    assert schema["properties"].keys() == sections
