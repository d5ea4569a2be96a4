"""A thousand callers, a token that lives two seconds, and an issuer that fails half of the time."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

import httpx
import pytest

from issuer.client import TokenClient
from issuer.client.lifecycle import RENEWED_FROM
from tests.client.flaky_server import FAULTS, LIFETIME, FlakyIssuer, flaky_issuer

pytestmark = pytest.mark.slow

CALLERS = 1000
SECONDS = 15.0
BETWEEN_CALLS = 0.5
OS = "https://os.example"


@pytest.fixture
def issuer() -> Iterator[FlakyIssuer]:
    with flaky_issuer() as issuer:
        yield issuer


def service(issuer: FlakyIssuer) -> httpx.MockTransport:
    """A service that accepts tokens until they expire."""

    def answer(request: httpx.Request) -> httpx.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        return httpx.Response(200 if issuer.accepts(token) else 401)

    return httpx.MockTransport(answer)


def in_threads(issuer: FlakyIssuer, client: TokenClient) -> Counter[object]:
    """The outcomes of all calls: statuses, or the errors."""
    outcomes: Counter[object] = Counter()
    lock = threading.Lock()
    ends = time.monotonic() + SECONDS
    with httpx.Client(transport=service(issuer), auth=client.auth(OS)) as http:

        def call() -> None:
            while time.monotonic() < ends:
                try:
                    outcome: object = http.get(OS).status_code
                except Exception as error:
                    outcome = repr(error)
                with lock:
                    outcomes[outcome] += 1
                time.sleep(BETWEEN_CALLS)

        threads = [threading.Thread(target=call) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return outcomes


def in_one_event_loop(issuer: FlakyIssuer, client: TokenClient) -> Counter[object]:
    outcomes: Counter[object] = Counter()

    async def run() -> None:
        ends = time.monotonic() + SECONDS
        async with httpx.AsyncClient(transport=service(issuer), auth=client.auth(OS)) as http:

            async def call() -> None:
                while time.monotonic() < ends:
                    try:
                        outcomes[(await http.get(OS)).status_code] += 1
                    except Exception as error:
                        outcomes[repr(error)] += 1
                    await asyncio.sleep(BETWEEN_CALLS)

            await asyncio.gather(*(call() for _ in range(CALLERS)))

    asyncio.run(run())
    return outcomes


@pytest.mark.parametrize("calls", [in_threads, in_one_event_loop])
def test_a_thousand_callers_cause_one_token_a_lifetime_and_no_call_fails(
    issuer: FlakyIssuer,
    calls: Callable[[FlakyIssuer, TokenClient], Counter[object]],
    record_property: Callable[[str, object], None],
):
    client = TokenClient(issuer.url, "ci-bot", client_secret="secret")
    started = time.monotonic()
    outcomes = calls(issuer, client)
    lifetimes = (time.monotonic() - started) / LIFETIME
    record_property("calls", outcomes.total())
    record_property("tokens", len(issuer.issued))
    record_property("lifetimes", round(lifetimes, 1))
    record_property("faults", len(issuer.faults))
    assert set(outcomes) == {200}
    assert outcomes[200] >= 5 * CALLERS
    assert issuer.most_in_flight == 1
    assert set(issuer.faults) == set(FAULTS)
    issued = list(issuer.issued.values())
    ages = [later - earlier for earlier, later in pairwise(issued)]
    assert len(issued) <= lifetimes / RENEWED_FROM + 1
    assert min(ages) > RENEWED_FROM * LIFETIME - 0.1, "renewed before it was due"
