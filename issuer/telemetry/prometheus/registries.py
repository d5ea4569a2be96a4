"""Where metrics are registered: with one process in memory, with several workers in files."""

import os
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from issuer.errors import ConfigurationError
from issuer.telemetry.metrics import FOLDER_OF_WORKERS


@dataclass(frozen=True, slots=True)
class Registries:
    """`own`: what this process counts. `exposed`: what all workers count together."""

    own: CollectorRegistry
    exposed: CollectorRegistry

    @property
    def are_of_workers(self) -> bool:
        """Whether several workers count in files."""
        return self.own is not self.exposed

    def add(self, collector: Collector) -> None:
        """Add what every process derives from the same data."""
        for registry in {self.own, self.exposed}:
            registry.register(collector)


def new_registries() -> Registries:
    """The registries of this process; `ConfigurationError` if the workers have no folder."""
    # Files do not hold the creation time of a counter: one worker must expose what many do.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    own = CollectorRegistry()
    folder = os.environ.get(FOLDER_OF_WORKERS)
    if not folder:
        # Only of a single process: with several, each scrape would reach another.
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=own)
        return Registries(own, own)
    exposed = CollectorRegistry()
    try:
        MultiProcessCollector(exposed)  # type: ignore[no-untyped-call]
    except ValueError:
        raise ConfigurationError(f"{FOLDER_OF_WORKERS} is not a folder: {folder}.") from None
    return Registries(own, exposed)
