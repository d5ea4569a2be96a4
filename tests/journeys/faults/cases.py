"""Every fault, with the deployment that it happens to."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.journeys.faults import faults
from tests.journeys.faults.site import (
    Fault,
    FaultOutcome,
    FaultSite,
    run,
    site_on_a_cluster,
    site_on_sqlite,
)
from tests.journeys.test_database_refuses_to_write import tmpfs

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class FaultCase:
    """`fault` happens to a cluster, or as `on` says."""

    name: str
    fault: Fault
    on: str = "cluster"

    def outcome(self, folder: Path) -> FaultOutcome:
        with SITES[self.on](folder) as site:
            return run(site, self.fault)


@contextmanager
def with_small_disk(folder: Path) -> Iterator[FaultSite]:
    with tempfile.TemporaryDirectory(dir="/tmp") as open_to_all:
        Path(open_to_all).chmod(0o755)
        small = tmpfs(Path(open_to_all) / "disk", "size=180m,mode=777")
        with small as disk, site_on_a_cluster(folder, disk) as site:
            site.folder = disk
            yield site


@contextmanager
def with_small_disk_of_sqlite(folder: Path) -> Iterator[FaultSite]:
    with tmpfs(folder / "disk", "size=24m") as disk, site_on_sqlite(folder, disk) as site:
        yield site


@contextmanager
def with_a_clock_to_move(folder: Path) -> Iterator[FaultSite]:
    if not LIBRARIES:
        sentence = "libfaketime is not installed: apt-get install faketime"
        assert "REQUIRE_PROXIES" not in os.environ, sentence
        pytest.skip(sentence)
    clock = folder / "clock"
    clock.write_text("+0s")
    faked = {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    with site_on_a_cluster(folder, **faked) as site:
        site.clock = clock
        yield site


SITES = {
    "cluster": site_on_a_cluster,
    "small disk": with_small_disk,
    "small disk of SQLite": with_small_disk_of_sqlite,
    "clock": with_a_clock_to_move,
}
CASES = (
    FaultCase("failover", faults.failover),
    FaultCase("read-only", faults.read_only),
    FaultCase("connection limit", faults.connection_limit),
    FaultCase("stalled network", faults.stalled_network),
    FaultCase("stopped database", faults.stopped_database),
    FaultCase("lost standby", faults.lost_standby),
    FaultCase("full disk", faults.full_disk, "small disk"),
    FaultCase("full disk of SQLite", faults.full_disk, "small disk of SQLite"),
    FaultCase("clock an hour ahead", faults.clock_step(HOUR), "clock"),
    FaultCase("clock an hour behind", faults.clock_step(-HOUR), "clock"),
)
