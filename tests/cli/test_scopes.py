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
    warning = (
        "Warning: No known AgentOS version has orders:read,"
        " which is fine if it is for your own application or route."
    )
    created = cli(noun, "create", "it", "--scope", "orders:read", *form)
    assert (created.status, created.err) == (0, f"{warning}\n")
    assert "orders:read" in created.out
    assert cli(noun, "update", "it", "--add-scope", "agents:read", *form).warnings == [warning]
    renamed = ["--description" if noun == "role" else "--name", "Other"]
    assert cli(noun, "update", "it", *renamed, *form).err == ""
    assert cli(noun, "update", "it", "--scope", "agents:read", *form).err == ""


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize("noun", ["role", "client"])
def test_a_misspelled_scope_is_refused_and_takes_no_right_away(cli: Cli, noun: str):
    """Unless it is said to be meant so; then later changes may keep it."""
    assert "did you mean agents:run?" in cli(noun, "create", "it", *MISSPELT).sentence
    cli.done(noun, "create", "it", "--scope", "agents:read")
    refused = cli(noun, "update", "it", *MISSPELT).sentence
    assert refused == (
        "scopes: No known AgentOS version has agnets:run; did you mean agents:run? If not, allow"
        " unknown scopes (--allow-unknown-scopes, allow_unknown_scopes=true)."
    )
    assert cli.json(noun, "show", "it")["scopes"] == ["agents:read"]
    assert cli(noun, "update", "it", *MISSPELT, "--allow-unknown-scopes").status == 0
    assert cli(noun, "update", "it", "--add-scope", "teams:run").status == 0
    assert cli.json(noun, "show", "it")["scopes"] == ["agnets:run", "teams:run"]


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
    for command in ("plan", "apply"):
        options = ["-f", "-", "--allow-unknown-scopes", *form]
        result = cli(command, *options, stdin=ODD_MANIFEST)
        assert (result.status, result.err.splitlines()) == (0, printed)
    # Changed or not, it is in the file; what was allowed before needs no option.
    result = cli("plan", "-f", "-", *form, stdin=ODD_MANIFEST)
    assert (result.status, result.err.splitlines()) == (0, printed)
    assert "agnets:run" in cli.json("role", "show", "runner")["scopes"]
    refused = cli("apply", "-f", "-", "--expect", "0", *form, stdin=ODD_MANIFEST)
    sentence = refused.error if form else refused.sentence
    assert sentence.startswith("The configuration has changed")


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_manifest_with_a_misspelled_scope_is_refused_with_its_line(cli: Cli):
    cli.done("role", "create", "runner", "--scope", "agents:run")
    for command in ("plan", "apply"):
        result = cli(command, "-f", "-", stdin=ODD_MANIFEST)
        assert (result.status, result.out) == (1, "")
        assert result.err.startswith("-:1: roles[0].scopes[0]: No known AgentOS version has agnets")
        assert "--allow-unknown-scopes" in result.err
    assert cli.json("role", "show", "runner")["scopes"] == ["agents:run"]
