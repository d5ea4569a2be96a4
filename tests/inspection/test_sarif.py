"""Inspections as SARIF, in the form that code scanning services accept."""

from datetime import UTC, datetime
from typing import Any

from issuer.inspection.components import Exposure, FoundComponents, InspectionReport
from issuer.inspection.rules import RULES
from issuer.inspection.sarif import as_sarif
from tests.rows import rows

OPEN = "GET /sessions without a token: 200"


def run_of(*evidence: str, url: str = "https://os.example", audience: str = "my-os") -> Any:
    """The run for a finding of each rule, or for each of this evidence."""
    rules = [RULES[0]] * len(evidence) or RULES
    found = [
        Exposure(rule=rule.name, severity=rule.severity, evidence=said, remedy=rule.remedy)
        for rule, said in zip(rules, evidence or [OPEN] * len(RULES), strict=True)
    ]
    report = InspectionReport(
        audience=audience,
        url=url,
        inspected_at=datetime(2026, 11, 30, tzinfo=UTC),
        components=FoundComponents(),
        findings=found,
    )
    (run,) = as_sarif(report)["runs"]
    return run


def fingerprints(run: Any) -> list[str]:
    """The only ones that GitHub reads."""
    return [each["partialFingerprints"]["primaryLocationLineHash"] for each in run["results"]]


def test_every_rule_has_the_texts_that_services_show():
    for rule in run_of()["tool"]["driver"]["rules"]:
        for text in ("shortDescription", "fullDescription", "help"):
            assert 0 < len(rule[text]["text"]) <= 1_024
            assert "{" not in rule[text]["text"]  # SARIF 2.1.0 §3.11.5


@rows(
    ("url", "path"),
    [
        ("https://os.example", "os.example"),
        ("https://os.example/a/b%20c", "os.example/a/b%20c"),
        ("http://localhost:7777", "localhost%3A7777"),
        ("http://[::1]:7777/os", "%5B%3A%3A1%5D%3A7777/os"),
    ],
)
def test_a_finding_is_at_a_relative_path(url: str, path: str):
    """GitHub refuses a log with a URI of another scheme than that of the checked out files."""
    for each in run_of(url=url)["results"]:
        (place,) = each["locations"]
        assert place["physicalLocation"] == {
            "artifactLocation": {"uri": path},
            "region": {"startLine": 1},
        }
        assert place["message"]["text"] == url


def test_findings_of_two_agentos_stand_side_by_side():
    """GitHub replaces the results of an earlier run with the same category."""
    ids = {run_of(audience=each)["automationDetails"]["id"] for each in ("a", "b")}
    assert len(ids) == 2
    assert all(each.endswith("/") for each in ids)


def test_a_finding_is_the_same_however_many_other_routes_are_open():
    one, more, other = fingerprints(run_of(OPEN, f"{OPEN}; also /config", "GET /config: 200"))
    assert one == more != other
    assert len({*fingerprints(run_of())}) == len(RULES)
