"""Reads `/metrics` as Prometheus does."""

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

TOKEN = "a-token-for-scrapers"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

Labels = frozenset[tuple[str, str]]

# The samples of a metric, by its type.
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
}


class Scraper:
    """Reads `/metrics` as Prometheus does."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def text(self) -> str:
        answer = self._http.get("/metrics", headers=BEARER)
        assert answer.status_code == 200, answer.text
        return answer.text

    def families(self) -> list[Metric]:
        """Those of the issuer."""
        found = text_string_to_metric_families(self.text())
        return [family for family in found if family.name.startswith("issuer_")]

    def names(self) -> set[str]:
        """Of all samples, also of those that have none yet."""
        return {
            family.name + suffix for family in self.families() for suffix in SUFFIXES[family.type]
        }

    def samples(self) -> dict[tuple[str, Labels], float]:
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        return self.samples().get((name, frozenset(labels.items())))

    def of(self, name: str) -> dict[Labels, float]:
        return {labels: value for (each, labels), value in self.samples().items() if each == name}
