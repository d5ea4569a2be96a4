"""`issuer audience inspect`."""

import json
from collections.abc import Iterator

import pytest

from issuer.inspection.rules import RULES
from tests.cli.driver import Cli
from tests.inspection.fake_agentos import FakeAgentOS, serving_agentos

SEVERITIES = {"high": "error", "medium": "warning", "low": "note"}


@pytest.fixture
def agent_os(cli: Cli) -> Iterator[FakeAgentOS]:
    """Of `my-os`: it has no verifier, which is of medium severity, and public documentation."""
    with cli.composition() as composition:
        composition.keys.keyring.reconcile()
        key_set = json.loads(composition.keys.keyring.jwks.body)
    with serving_agentos(FakeAgentOS(lambda: key_set, open={"/docs"})) as agent_os:
        cli.done("audience", "create", "my-os", "--url", agent_os.url)
        yield agent_os


def test_it_prints_what_is_there_and_what_is_exposed(cli: Cli, agent_os: FakeAgentOS):
    agent_os.names["evil"] = "\x1b[31mred"
    result = cli("audience", "inspect", "my-os")
    assert result.status == 3, result.err
    assert f"my-os at {agent_os.url}, agno 3.1.10" in result.out
    assert "agents: Web (web), Billing (billing), \\u001b[31mred (evil)" in result.out
    assert "no-verifier" in result.out
    assert "GET /docs without a token: 200" in result.out
    assert result.err == ""


def test_json_has_components_and_findings(cli: Cli, agent_os: FakeAgentOS):
    result = cli("audience", "inspect", "my-os", "--json")
    assert result.status == 3
    assert [each["id"] for each in result.json["components"]["agents"]] == ["web", "billing"]
    assert [each["rule"] for each in result.json["findings"]] == [
        "no-verifier",
        "public-documentation",
    ]


def test_the_exit_status_says_whether_something_was_found(cli: Cli, agent_os: FakeAgentOS):
    for severity, status in (("high", 0), ("medium", 3), ("low", 3)):
        result = cli("audience", "inspect", "my-os", "--fail-on", severity)
        assert (result.status, result.err) == (status, "")
    refused = cli("audience", "inspect", "my-os", "--url", "http://127.0.0.1:1")
    assert "does not answer" in refused.sentence
    assert cli("audience", "inspect", "my-os", "--sarif", "--json").status == 2


def test_sarif_has_a_result_for_each_finding(cli: Cli, agent_os: FakeAgentOS):
    """SARIF 2.1.0 §3.13, §3.27."""
    log = json.loads(cli("audience", "inspect", "my-os", "--sarif").out)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [each["id"] for each in rules] == [each.name for each in RULES]
    for each, rule in zip(rules, RULES, strict=True):
        assert each["defaultConfiguration"]["level"] == SEVERITIES[rule.severity]
    assert [each["ruleId"] for each in run["results"]] == ["no-verifier", "public-documentation"]
    for each in run["results"]:
        assert rules[each["ruleIndex"]]["id"] == each["ruleId"]
        assert each["locations"][0]["message"] == {"text": agent_os.url}
        assert each["message"]["text"]


def test_the_url_of_an_audience_is_shown_changed_and_removed(cli: Cli):
    cli.done("audience", "create", "my-os", "--url", "https://os.example")
    assert "https://os.example" in cli.done("audience", "list")
    cli.done("audience", "update", "my-os", "--url", "https://other.example/")
    assert cli.json("audience", "show", "my-os")["url"] == "https://other.example"
    cli.done("audience", "update", "my-os", "--url", "", "--yes")
    assert cli.json("audience", "show", "my-os")["url"] is None
