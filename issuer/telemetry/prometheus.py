"""The metrics for Prometheus. Import it only where metrics are on: the library needs memory.

Several workers count in files, which the library adds up; those of an ended worker stay, since
no count may go down.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from issuer.errors import ConfigurationError
from issuer.telemetry.metrics import FOLDER_OF_WORKERS, Instrument, Metrics

# By the values of the labels.
Values: TypeAlias = Mapping[tuple[str, ...], float]


@dataclass(frozen=True)
class GaugeOfWorkers:
    """`mode` says what one worker shows for all."""

    name: str
    text: str
    labels: Sequence[str] = ()
    mode: str = "livesum"


class PrometheusMetrics(Metrics):
    """Counts, and exposes what all workers count together."""

    is_stored = True

    def __init__(self) -> None:
        self._own, self._exposed = _new_registries()
        self._stored: dict[str, Counter | Histogram] = {}
        self._gauges: list[tuple[Gauge, Callable[[], Values]]] = []
        for name, declared in vars(Metrics).items():
            if isinstance(declared, Instrument):
                setattr(self, name, self._recorder(declared))

    @property
    def are_of_workers(self) -> bool:
        """Whether several workers count in files."""
        return self._own is not self._exposed

    def add(self, collector: Collector) -> None:
        """Add what every process derives from the same data."""
        for registry in {self._own, self._exposed}:
            registry.register(collector)

    def watch(self, gauges: Mapping[GaugeOfWorkers, Callable[[], Values]]) -> None:
        """Show these values, read before each answer; of several workers, every few seconds."""
        for gauge, read in gauges.items():
            mode: Any = gauge.mode
            new = Gauge(
                gauge.name, gauge.text, gauge.labels, registry=self._own, multiprocess_mode=mode
            )
            self._gauges.append((new, read))
        if self.are_of_workers:
            self.write_gauges()  # now: in its file they are 0

    def begin(self, name: str, *labels: str) -> None:
        """Show the series of these labels from now on, at 0."""
        self._stored[name].labels(*labels)

    def exposition(self) -> bytes:
        """All of it, in the text format 0.0.4."""
        self.write_gauges()
        return prometheus_client.generate_latest(self._exposed)

    def of_this_process(self) -> Iterable[Metric]:
        """What this process counts and holds, without other workers."""
        self.write_gauges()
        return self._own.collect()

    def write_gauges(self) -> None:
        """Another worker may be asked for those of this one."""
        for gauge, read in self._gauges:
            for labels, value in read().items():
                (gauge.labels(*labels) if labels else gauge).set(value)

    def _recorder(self, declared: Instrument) -> Callable[..., None]:
        stored: Counter | Histogram
        described = (declared.name, declared.text, declared.labels)
        if declared.buckets:
            stored = Histogram(*described, buckets=declared.buckets, registry=self._own)
        else:
            stored = Counter(*described, registry=self._own)
        self._stored[declared.name] = stored
        action = "observe" if declared.buckets else "inc"
        if not declared.labels:
            recorder: Callable[..., None] = getattr(stored, action)
            return recorder
        series = {each: getattr(stored.labels(*each), action) for each in declared.series}

        def record(*labels: str, amount: float = 1) -> None:
            if series:
                (series.get(labels) or series[declared.otherwise])(amount)
            else:
                getattr(stored.labels(*labels), action)(amount)

        return record


def _new_registries() -> tuple[CollectorRegistry, CollectorRegistry]:
    """What this process counts, and what all workers count in files, or `ConfigurationError`."""
    # Files do not hold the creation time of a counter: one worker must expose what many do.
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    own = CollectorRegistry()
    folder = os.environ.get(FOLDER_OF_WORKERS)
    if not folder:
        # Only of a single process: with several, each scrape would reach another.
        for collector in (
            prometheus_client.ProcessCollector,
            prometheus_client.PlatformCollector,
            prometheus_client.GCCollector,
        ):
            collector(registry=own)
        return own, own
    exposed = CollectorRegistry()
    try:
        MultiProcessCollector(exposed)  # type: ignore[no-untyped-call]
    except ValueError:
        raise ConfigurationError(f"{FOLDER_OF_WORKERS} is not a folder: {folder}.") from None
    return own, exposed
