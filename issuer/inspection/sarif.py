"""An inspection as SARIF 2.1.0, the format that code scanning services read (OASIS standard).

It also has what GitHub requires, which refuses a log if one location is not a path.
"""

import hashlib
from typing import Any
from urllib.parse import quote

from issuer import __version__
from issuer.inspection.components import Exposure, InspectionReport, Severity
from issuer.inspection.rules import RULES

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
# Of 10; GitHub sorts by it.
_SCORES = {Severity.HIGH: "8.0", Severity.MEDIUM: "5.0", Severity.LOW: "2.0"}


def as_sarif(report: InspectionReport) -> dict[str, Any]:
    """A log with one run, in a category of the audience.

    A finding needs a file: its name is the URL of the AgentOS, without the scheme.
    """
    index = {rule.name: place for place, rule in enumerate(RULES)}
    rules = [
        {
            "id": rule.name,
            "shortDescription": {"text": rule.summary},
            "fullDescription": {"text": rule.summary},
            "help": {"text": rule.remedy.format(issuer="ISSUER", audience="AUDIENCE", url="URL")},
            "defaultConfiguration": {"level": _LEVELS[rule.severity]},
            "properties": {"security-severity": _SCORES[rule.severity], "tags": ["security"]},
        }
        for rule in RULES
    ]
    driver = {"name": "agentos-issuer", "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"inspection/{report.audience}/"},
        "invocations": [
            {"executionSuccessful": True, "endTimeUtc": f"{report.inspected_at:%Y-%m-%dT%H:%M:%SZ}"}
        ],
        "results": [_result(report, each, index[each.rule]) for each in report.findings],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(report: InspectionReport, found: Exposure, place: int) -> dict[str, Any]:
    # A colon would make a scheme of what stands before it (RFC 3986 §4.2).
    path = quote(report.url.partition("://")[2], safe="/%")
    location = {
        "physicalLocation": {"artifactLocation": {"uri": path}, "region": {"startLine": 1}},
        "logicalLocations": [{"name": report.audience, "kind": "resource"}],
        "message": {"text": report.url},
    }
    # It is the same finding, however many other routes break the rule.
    finding = found.evidence.partition("; ")[0]
    mark = hashlib.sha256(f"{report.audience} {found.rule} {finding}".encode()).hexdigest()
    return {
        "ruleId": found.rule,
        "ruleIndex": place,
        "level": _LEVELS[found.severity],
        "message": {"text": f"{found.evidence}. {found.remedy}"},
        "locations": [location],
        "partialFingerprints": {"primaryLocationLineHash": mark},
    }
