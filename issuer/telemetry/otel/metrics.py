"""Sends the metrics of this process by OTLP, under the names that Prometheus sees."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import export as otlp
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

from issuer import __version__

_SCOPE = InstrumentationScope("issuer", __version__)
_CUMULATIVE = otlp.AggregationTemporality.CUMULATIVE


class MetricExport:
    """`families` are read at each export; they count from the start of this process."""

    def __init__(self, families: Callable[[], Iterable[Family]], resource: Resource) -> None:
        self._families = families
        self._resource = resource
        self._exporter = OTLPMetricExporter()
        self._began = time.time_ns()

    def export(self) -> None:
        """Send all of them. The library logs why it could not."""
        converted = (_convert(each, self._began, time.time_ns()) for each in self._families())
        metrics = [each for each in converted if each is not None]
        scope = otlp.ScopeMetrics(_SCOPE, metrics, "")
        self._exporter.export(otlp.MetricsData([otlp.ResourceMetrics(self._resource, [scope], "")]))


def _convert(family: Family, began: int, now: int) -> otlp.Metric | None:
    """None for a kind that OTLP lacks."""
    data: otlp.Sum | otlp.Gauge | otlp.Histogram
    match family.type:
        case "counter":
            samples = [each for each in family.samples if each.name.endswith("_total")]
            data = otlp.Sum(_points(samples, began, now), _CUMULATIVE, is_monotonic=True)
        case "gauge":
            data = otlp.Gauge(_points(family.samples, began, now))
        case "histogram":
            data = otlp.Histogram(_distributions(family, began, now), _CUMULATIVE)
        case _:
            return None
    unit = "s" if family.name.endswith("_seconds") else ""
    return otlp.Metric(family.name, family.documentation, unit, data)


def _points(samples: Iterable[Sample], began: int, now: int) -> list[otlp.NumberDataPoint]:
    return [otlp.NumberDataPoint(each.labels, began, now, each.value) for each in samples]


def _distributions(family: Family, began: int, now: int) -> list[otlp.HistogramDataPoint]:
    series: defaultdict[frozenset[tuple[str, str]], list[Sample]] = defaultdict(list)
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        series[frozenset(labels.items())].append(sample)
    return [_distribution(dict(labels), each, began, now) for labels, each in series.items()]


def _distribution(
    labels: Mapping[str, str], samples: Iterable[Sample], began: int, now: int
) -> otlp.HistogramDataPoint:
    buckets, total = {}, 0.0
    for sample in samples:
        if sample.name.endswith("_bucket"):
            buckets[float(sample.labels["le"])] = int(sample.value)
        elif sample.name.endswith("_sum"):
            total = sample.value
    bounds = sorted(buckets)
    # Those of Prometheus count everything below their bound, those of OTLP what is between two.
    below = [0, *(buckets[bound] for bound in bounds)]
    counts = [upper - lower for lower, upper in pairwise(below)]
    finite = [bound for bound in bounds if not math.isinf(bound)]
    return otlp.HistogramDataPoint(
        labels,
        began,
        now,
        sum(counts),
        total,
        counts,
        finite,
        min=None,  # type: ignore[arg-type] # optional in OTLP, and Prometheus keeps no extremes
        max=None,  # type: ignore[arg-type]
    )
