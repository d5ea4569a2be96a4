"""The files in `deploy/` for Prometheus and Grafana, and the programs that read them."""

import os
import shutil
from typing import Any

import pytest
import yaml

from tests.journeys.running_issuer import REPOSITORY

DASHBOARD = REPOSITORY / "deploy" / "grafana" / "agentos-issuer.json"
ALERTS = REPOSITORY / "deploy" / "prometheus" / "alerts.yaml"
ALERTS_TEST = REPOSITORY / "deploy" / "prometheus" / "alerts_test.yaml"


def alerts() -> list[dict[str, Any]]:
    return yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]


def program(name: str) -> str:
    """The path of a program of Debian's package `prometheus`; skipped if it is not installed."""
    found = shutil.which(name)
    if found is None:
        sentence = f"{name} is not installed: apt-get install prometheus"
        assert "REQUIRE_PROXIES" not in os.environ, sentence
        pytest.skip(sentence)
    return found
