"""An inspection as SARIF 2.1.0, the format that code scanning services read (OASIS standard)."""

import hashlib
from typing import Any

from issuer import __version__
from issuer.inspection.report import Exposure, InspectionReport, Severity
from issuer.inspection.rules import RULES

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
# Of 10; GitHub sorts by it.
_SCORES = {Severity.HIGH: "8.0", Severity.MEDIUM: "5.0", Severity.LOW: "2.0"}


def as_sarif(report: InspectionReport) -> dict[str, Any]:
    """A log with one run. A finding is at the URL of the AgentOS, for want of a file."""
    index = {rule.name: place for place, rule in enumerate(RULES)}
    rules = [
        {
            "id": rule.name,
            "shortDescription": {"text": rule.summary},
            "defaultConfiguration": {"level": _LEVELS[rule.severity]},
            "properties": {"security-severity": _SCORES[rule.severity], "tags": ["security"]},
        }
        for rule in RULES
    ]
    driver = {"name": "agentos-issuer", "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "invocations": [
            {"executionSuccessful": True, "endTimeUtc": f"{report.inspected_at:%Y-%m-%dT%H:%M:%SZ}"}
        ],
        "results": [_result(report, each, index[each.rule]) for each in report.findings],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(report: InspectionReport, found: Exposure, place: int) -> dict[str, Any]:
    location = {
        "physicalLocation": {"artifactLocation": {"uri": report.url}},
        "logicalLocations": [{"name": report.audience, "kind": "resource"}],
    }
    mark = hashlib.sha256(f"{report.audience} {found.rule} {found.evidence}".encode()).hexdigest()
    return {
        "ruleId": found.rule,
        "ruleIndex": place,
        "level": _LEVELS[found.severity],
        "message": {"text": f"{found.evidence}. {found.remedy}"},
        "locations": [location],
        "partialFingerprints": {"finding/v1": mark},
    }
