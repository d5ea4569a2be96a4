"""Can a caller tell by time what is wrong with credentials? (CONTRACT §2, "Errors")

    python -m benchmarks.one_duration [--requests 400] [--sign-ins 100] [--callers 0]

Refused requests of every kind are sent in turn on one connection. The last column tells how often
a kind took longer than the first of its table (Mann-Whitney: 0.50 is a tossed coin, 0.00 and 1.00
are certainty). `--callers` keeps the server busy with good requests meanwhile.
"""

import argparse
import statistics
import tempfile
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import httpx

from tests.builders import PASSWORD, Credentials, House
from tests.drivers import TokenAnswer, TokenEndpoint
from tests.journeys.running_issuer import RunningIssuer

Ask = Callable[[TokenEndpoint], TokenAnswer]


def refused_clients(house: House, requests: int) -> dict[str, Ask]:
    """Kinds of `invalid_client`."""
    known, disabled = house.client(), house.client(disabled=True)
    roles = [house.role(f"role-{number}", [f"r{number}:read"]) for number in range(20)]
    rich = house.client(roles=roles)  # a lookup that costs more
    for _ in range(9):
        house.secret(rich)
    never_asked = iter([house.client() for _ in range(requests)])
    return {
        "unknown client": with_secret(Credentials("nobody", ""), "wrong"),
        "wrong secret": with_secret(known, "wrong"),
        "wrong secret, client not in memory": lambda endpoint: endpoint.client_credentials(
            Credentials(next(never_asked).client_id, "wrong")
        ),
        "wrong secret, many roles and secrets": with_secret(rich, "wrong"),
        "disabled client, right secret": with_secret(disabled, disabled.client_secret),
        "disabled client, wrong secret": with_secret(disabled, "wrong"),
    }


def refused_users(house: House) -> dict[str, Ask]:
    """Kinds of `invalid_grant`."""
    client = house.client(grant_types=["password"])
    roles = [house.role(f"user-role-{number}", [f"u{number}:read"]) for number in range(20)]
    house.user("known", roles=roles)
    house.user("disabled", disabled=True)
    house.user("no-password", password=None)

    def sign_in(username: str, password: str) -> Ask:
        return lambda endpoint: endpoint.password(client, username, password)

    return {
        "unknown user": sign_in("nobody", PASSWORD),
        "wrong password": sign_in("known", "wrong"),
        "disabled user, right password": sign_in("disabled", PASSWORD),
        "disabled user, wrong password": sign_in("disabled", "wrong"),
        "user without a password": sign_in("no-password", PASSWORD),
    }


def with_secret(client: Credentials, secret: str) -> Ask:
    credentials = Credentials(client.client_id, secret)
    return lambda endpoint: endpoint.client_credentials(credentials)


def measured(endpoint: TokenEndpoint, kinds: dict[str, Ask], times: int) -> dict[str, list[float]]:
    """Milliseconds of `times` requests of each kind, in an order nobody can lean on."""
    order = [kind for kind in kinds for _ in range(times)]
    Random(1).shuffle(order)
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for kind in order:
        started = time.perf_counter()
        answer = kinds[kind](endpoint)
        taken[kind].append(1000 * (time.perf_counter() - started))
        assert answer.error in {"invalid_client", "invalid_grant"}, answer.body
    return taken


def slower(taken: list[float], first: list[float]) -> float:
    """How often one of `taken` is longer than one of `first`; ties count half."""
    ordered = sorted(first)
    above = sum(bisect_left(ordered, one) + bisect_right(ordered, one) for one in taken)
    return above / (2 * len(taken) * len(first))


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
    client = issuer.house.client()
    stopped = threading.Event()

    def call() -> None:
        with httpx.Client(base_url=issuer.url, timeout=30, trust_env=False) as http:
            while not stopped.is_set():
                TokenEndpoint(http).client_credentials(client)

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
    parser.add_argument("--callers", type=int, default=0, help="who keep the server busy")
    parser.add_argument("--database-url", help="SQLite unless given")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningIssuer(Path(folder), options.database_url) as issuer,
    ):
        clients = refused_clients(issuer.house, options.requests)
        users = refused_users(issuer.house)
        with busy(issuer, options.callers):
            endpoint = issuer.token_endpoint
            show(measured(endpoint, clients, options.requests))
            show(measured(endpoint, users, options.sign_ins))


if __name__ == "__main__":
    main()
