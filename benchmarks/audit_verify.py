"""How long `issuer audit verify` takes, and how much memory, on SQLite and PostgreSQL.

    python -m benchmarks.audit_verify [--events 1000000] [--database sqlite]

The events are like those of token requests, of eight servers that write by turns, under a
checkpoint for each fifty thousand. The command runs in a process of its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from rich.console import Console
from rich.table import Table

from issuer.audit import Actor, Event
from issuer.audit.chain_store import ChainHead, append
from issuer.clock import Clock
from issuer.composition import Composition, compose
from issuer.settings import Settings
from issuer.telemetry import logs
from tests.builders import initialised
from tests.databases import PostgreSQL, running_server

DATABASES = ("sqlite", "postgresql")
SERVERS = 8
IN_A_COMMIT = 500
IN_A_CHECKPOINT = 50_000


@contextmanager
def database(kind: str) -> Iterator[dict[str, str]]:
    """Environment variables for an empty database of that kind."""
    if kind == "sqlite":
        yield {}
        return
    with running_server() as host, PostgreSQL(host).database() as url:
        yield {"ISSUER_DATABASE_URL": url}


def fill(services: Composition, events: int) -> float:
    """Write so many events; microseconds per event, including hashing."""
    random, key = Random(1), services.foundation.chain_key
    ends = {f"{random.getrandbits(128):032x}": ChainHead() for _ in range(SERVERS)}
    spent = 0.0
    for done in range(0, events, IN_A_COMMIT):
        batch = [token_issued(random, services.clock) for _ in range(IN_A_COMMIT)]
        chain = random.choice(list(ends))
        started = time.perf_counter()
        with services.database.statements() as connection:
            ends[chain], _ = append(key, connection, chain, ends[chain], batch)
        spent += time.perf_counter() - started
        if done % IN_A_CHECKPOINT == 0:
            services.audit.checkpoints.make()
    services.audit.checkpoints.make()
    return spent / events * 1e6


def token_issued(random: Random, clock: Clock) -> Event:
    jti = f"{random.getrandbits(128):032x}"
    details = {
        "grant_type": "client_credentials",
        "audience": "my-os",
        "scope": "agents:run agents:read sessions:read",
        "jti": jti,
        "kid": "vFFQp9Sd8EVvVQbzSdTs5gGkgGpZ5hoSHQJmvwkTnP8",
        "expires_in": 900,
    }
    return Event(
        clock(), Actor("ci-bot", jti, "192.0.2.7"), "token.issued", "ci-bot", details=details
    )


def measured(kind: str, events: int) -> list[str]:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as folder, database(kind) as more:
        environment = {**os.environ, "ISSUER_DATA_DIR": f"{folder}/data", **more}
        settings = Settings.from_environment({**more, "ISSUER_DATA_DIR": f"{folder}/data"})
        initialised(settings, Clock())
        services = compose(settings)
        services.keys.keyring.reload()
        each = fill(services, events)
        services.database.dispose()
        command = [sys.executable, "-m", "issuer", "audit", "verify", "--json"]
        started = time.perf_counter()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        output = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = json.loads(output)
        assert found["ok"], found
        return [
            kind,
            f"{found['rows']:,}",
            f"{time.perf_counter() - started:.1f} s",
            f"{after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.1f} s",
            f"{after.ru_maxrss / 1024:.0f} MB",
            f"{each:.0f} µs",
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--database", choices=DATABASES)
    chosen = parser.parse_args()
    logs.configure("warning")
    table = Table("database", "events", "verified in", "CPU", "memory", "to write one")
    for kind in [chosen.database] if chosen.database else DATABASES:
        table.add_row(*measured(kind, chosen.events))
    Console().print(table)


if __name__ == "__main__":
    main()
