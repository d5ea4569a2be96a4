"""`issuer scope`, and the warnings of commands that set scopes."""

import pytest

from tests.cli.driver import Cli

MISSPELT = ["--scope", "agnets:run"]


def test_scopes_are_listed_for_one_version_or_all(new_cli: Cli):
    everything = {item["scope"]: item for item in new_cli.json("scope", "list")["items"]}
    assert everything["agents:run"]["per_resource"] is True
    newest = new_cli.json("scope", "list", "--agno", "3.1.4")["items"]
    assert all("3.1" in item["versions"] for item in newest)
    assert len(newest) <= len(everything)
    assert "agents:run" in new_cli.done("scope", "list")
    assert (
        "'1.0' is not a known version of agno" in new_cli("scope", "list", "--agno", "1.0").sentence
    )


def test_lint_warns_and_never_refuses(new_cli: Cli):
    result = new_cli("scope", "lint", "agnets:run", "agents:read")
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines() == [
        "No known AgentOS version has agnets:run; did you mean agents:run?"
    ]
    assert new_cli.done("scope", "lint", "agents:read") == "No warnings.\n"
    (finding,) = new_cli.json("scope", "lint", "agnets:run")["items"]
    assert (finding["code"], finding["suggestion"]) == ("unknown-scope", "agents:run")
    assert new_cli.json("scope", "lint", "agents:read")["items"] == []


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("noun", ["role", "client"])
def test_odd_scopes_are_set_with_a_warning(cli: Cli, noun: str, form: list[str]):
    warning = "Warning: No known AgentOS version has agnets:run; did you mean agents:run?"
    created = cli(noun, "create", "it", *MISSPELT, *form)
    assert (created.status, created.err) == (0, f"{warning}\n")
    assert "agnets:run" in created.out
    assert cli(noun, "update", "it", "--add-scope", "agents:read", *form).warnings == [warning]
    renamed = ["--description" if noun == "role" else "--name", "Other"]
    assert cli(noun, "update", "it", *renamed, *form).err == ""
    assert cli(noun, "update", "it", "--scope", "agents:read", *form).err == ""


ODD_MANIFEST = """\
roles: [{name: runner, scopes: [agnets:run, agents:read, agnets:run]}]
clients:
  - {client_id: ci-bot, scopes: [agents:web:read, "agents:*:read"], roles: [{role: runner}]}
  - {client_id: plain, scopes: [agents:read]}
"""


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_warnings_about_a_file_name_the_role_or_client(cli: Cli, form: list[str]):
    printed = [
        "Warning: role runner: No known AgentOS version has agnets:run; did you mean agents:run?",
        "Warning: client ci-bot: agents:web:read adds nothing, since agents:*:read covers it.",
    ]
    for command in ("plan", "apply", "plan"):  # changed or not, it is in the file
        result = cli(command, "-f", "-", *form, stdin=ODD_MANIFEST)
        assert (result.status, result.err.splitlines()) == (0, printed)
    assert "agnets:run" in cli.json("role", "show", "runner")["scopes"]
    refused = cli("apply", "-f", "-", "--expect", "0", *form, stdin=ODD_MANIFEST)
    assert refused.sentence.startswith("The configuration has changed")
