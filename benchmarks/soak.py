"""Whether the memory of a server grows under full load.

    python -m benchmarks.soak [--minutes 10] [--database sqlite]

One process, 64 connections, the mixed load of `python -m benchmarks`; a line a minute.
"""

import argparse
import tempfile
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from benchmarks.durable_audit import DATABASES
from benchmarks.load import megabytes, wrk
from benchmarks.scenarios import MANY, mixed
from benchmarks.subjects import ours
from issuer.telemetry import logs

_MINUTE = 60


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--database", choices=DATABASES, default=DATABASES[0])
    options = parser.parse_args()
    logs.configure("warning")
    table = Table("minute", "requests/s", "p99 ms", "errors", "memory MB")
    with (
        tempfile.TemporaryDirectory() as folder,
        ours(options.database, Path(folder) / "issuer") as subject,
        Live(table, console=Console(), refresh_per_second=1),
    ):
        pid = subject.issuer.pid
        table.add_row("0", "", "", "", f"{megabytes(pid):.1f}")
        for minute in range(1, options.minutes + 1):
            load = wrk(
                subject.url,
                Path(folder),
                script=mixed(subject),
                seconds=_MINUTE,
                connections=MANY,
            )
            table.add_row(
                str(minute),
                f"{load.per_second:,.0f}",
                f"{load.p99:.1f}",
                str(load.errors),
                f"{megabytes(pid):.1f}",
            )


if __name__ == "__main__":
    main()
