"""Can a caller find out from response times what is wrong with credentials?

    python -m benchmarks.one_duration [--requests 400] [--sign-ins 100] [--callers 0]

Refused requests of every kind are sent in turn on one connection. The last column is how often a
kind took longer than the first of its table (Mann-Whitney: 0.50 is no difference, 0.00 and 1.00
are always). `--callers` keeps the server busy with valid requests during the measurement.
"""

import argparse
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.drivers import TokenDriver
from tests.journeys.durations import SETTINGS, measured, refused_clients, refused_users, slower
from tests.journeys.running_issuer import RunningIssuer


def show(taken: dict[str, list[float]]) -> None:
    print(f"\n{'ms':40}{'p10':>8}{'p50':>8}{'p90':>8}{'p99':>8}{'slower':>8}")
    first = next(iter(taken.values()))
    for kind, each in taken.items():
        cuts = statistics.quantiles(each, n=100, method="inclusive")
        columns = "".join(f"{cuts[cut - 1]:8.2f}" for cut in (10, 50, 90, 99))
        print(f"{kind:40}{columns}{slower(each, first):8.2f}")


@contextmanager
def busy(issuer: RunningIssuer, callers: int) -> Iterator[None]:
    """While the block lasts, `callers` get one token after the other."""
    client = issuer.deployment.client()
    stopped = threading.Event()

    def call() -> None:
        with httpx.Client(base_url=issuer.url, timeout=30, trust_env=False) as http:
            while not stopped.is_set():
                TokenDriver(http).client_credentials(client)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=400, help="of each kind of client")
    parser.add_argument("--sign-ins", type=int, default=100, help="of each kind of user")
    parser.add_argument("--callers", type=int, default=0, help="that keep the server busy")
    parser.add_argument("--database-url", help="default: SQLite")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningIssuer(Path(folder), options.database_url, **SETTINGS) as issuer,
    ):
        clients = refused_clients(issuer.deployment, options.requests)
        users = refused_users(issuer.deployment)
        with busy(issuer, options.callers):
            endpoint = issuer.token_endpoint
            show(measured(endpoint, clients, options.requests))
            show(measured(endpoint, users, options.sign_ins))


if __name__ == "__main__":
    main()
