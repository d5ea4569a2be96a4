"""Assertions on two servers of one deployment, on each database."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.drivers import TokenAnswer
from tests.journeys.running_issuer import RunningIssuer, Server
from tests.oauth.asserting import AssertingClient, ask, with_keys

ATTEMPTS = 64
ROUNDS = 3

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def servers(issuer: RunningIssuer) -> Iterator[list[Server]]:
    with issuer.replica() as replica:
        yield [issuer, replica]


@pytest.fixture(scope="module")
def batch(issuer: RunningIssuer) -> AssertingClient:
    client = AssertingClient.new("batch", issuer=issuer.url)
    with_keys(issuer.deployment, client)
    return client


def test_of_many_uses_at_two_servers_one_gives_a_token(
    servers: list[Server], batch: AssertingClient
):
    """RFC 7523 §3 (7)."""
    for _ in range(ROUNDS):
        answers = at_once(servers, batch.assertion(time.time()))
        outcomes = Counter(answer.error for answer in answers)
        assert outcomes == {None: 1, "invalid_client": ATTEMPTS - 1}


def at_once(servers: list[Server], assertion: str) -> list[TokenAnswer]:
    """Use it by many threads that start together, at the servers in turn."""
    together = Barrier(ATTEMPTS)

    def attempt(number: int) -> TokenAnswer:
        together.wait()
        return ask(servers[number % len(servers)].token_endpoint, assertion)

    with ThreadPoolExecutor(ATTEMPTS) as threads:
        return list(threads.map(attempt, range(ATTEMPTS)))
