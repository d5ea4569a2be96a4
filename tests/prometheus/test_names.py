"""Documentation, dashboard and alerts name the metrics that exist."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.builders import Deployment
from tests.drivers import AdminApi, TokenDriver
from tests.journeys.running_issuer import REPOSITORY
from tests.prometheus.deployed import ALERTS, ALERTS_TEST, DASHBOARD, alerts, program
from tests.prometheus.scraper import SUFFIXES, Scraper
from tests.verifiers.reporting import report

REFERENCE = REPOSITORY / "docs" / "reference" / "metrics.md"
HOW_TO = REPOSITORY / "docs" / "how-to" / "observe.md"

NAME = re.compile(r"\bissuer_[a-z_]+\b")
ROW = re.compile(r"^\| `(issuer_\w+)(?:\{([\w,]+)\})?` \| (histogram)?", re.MULTILINE)


def test_the_reference_has_each_metric_with_its_labels(scraper: Scraper, measured: Deployment):
    token = TokenDriver(measured.http).client_credentials(measured.admin).token
    assert AdminApi(measured.http, token).get("/roles").status_code == 200
    measured.services.protocol.verifiers.note(report(), "192.0.2.1")
    measured.services.protocol.verifiers.write()
    exported = {}
    for family in scraper.families():
        (suffix, *_) = SUFFIXES[family.type]
        name = family.name if family.type == "histogram" else family.name + suffix
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        exported[name] = labels
    documented = {name: set(labels.split(",")) - {""} for name, labels, _ in rows()}
    assert documented == exported


def test_the_reference_says_which_are_histograms(scraper: Scraper):
    exported = {family.name for family in scraper.families() if family.type == "histogram"}
    assert {name for name, _, kind in rows() if kind} == exported


@pytest.mark.parametrize("file", [DASHBOARD, ALERTS, ALERTS_TEST], ids=lambda file: file.name)
def test_only_metrics_that_exist_are_used(scraper: Scraper, file: Path):
    used = set(NAME.findall(file.read_text()))
    assert used
    assert used - scraper.names() == set()


def test_the_page_lists_every_alert_with_its_severity():
    rows = re.findall(r"^\| (`Issuer.*?) \| (\w+) \|", HOW_TO.read_text(), re.MULTILINE)
    listed = {name: severity for names, severity in rows for name in re.findall(r"`(\w+)`", names)}
    assert listed == {rule["alert"]: rule["labels"]["severity"] for rule in alerts()}


def test_each_value_of_a_label_that_alerts_select_exists(scraper: Scraper):
    selected = re.findall(r'(issuer_\w+)\{(\w+)(?:=~?|!=)"([^"]+)"', ALERTS.read_text())
    assert len(selected) > 5
    for name, label, values in selected:
        found = {dict(labels).get(label, "") for labels in scraper.of(name)}
        if name != "issuer_http_requests_total":  # its series begin with the first request
            assert set(values.split("|")) <= found, name


def test_each_panel_of_the_dashboard_has_a_description_and_a_query():
    panels = [each for each in json.loads(DASHBOARD.read_text())["panels"] if each["type"] != "row"]
    assert len(panels) > 30
    assert all(each["title"] and each["description"] for each in panels)
    assert all(target["expr"] for each in panels for target in each["targets"])
    assert len({each["id"] for each in panels}) == len(panels)


def test_each_alert_has_a_test_and_says_what_to_do():
    tested = ALERTS_TEST.read_text()
    for rule in alerts():
        assert f'alertname="{rule["alert"]}",alertstate="firing"' in tested
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary", "description"}


@pytest.mark.slow
def test_the_alerts_fire_when_they_should_and_else_not():
    run = subprocess.run(
        [program("promtool"), "test", "rules", ALERTS_TEST.name],
        cwd=ALERTS_TEST.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
def test_prometheus_reads_its_configuration():
    command = [program("promtool"), "check", "config", "--syntax-only", "prometheus.yml"]
    run = subprocess.run(command, cwd=ALERTS.parent, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def rows() -> list[tuple[str, str, str]]:
    """Of the table: name, labels, and whether it is a histogram."""
    return ROW.findall(REFERENCE.read_text())
