"""One request for any number of waiters, in threads and event loops."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from issuer.client import TokenClient, TokenUnavailable
from tests.client.conftest import LIFETIME, MovedClock, ScriptedIssuer, refusal, settled
from tests.client.programs import succeeds
from tests.client.test_bearer import OS, CalledService
from tests.journeys.running_issuer import wait_until

WAITERS = 50


def in_threads(call: Callable[[], object], count: int = WAITERS) -> list[object]:
    """The results, or exceptions, of so many threads that call at once."""
    ready = threading.Barrier(count)

    def run(_: int) -> object:
        ready.wait(30)
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def in_event_loops(client: TokenClient, loops: int = 5, tasks: int = 10) -> list[object]:
    """Of several loops in threads of their own."""

    async def many() -> list[object]:
        return await asyncio.gather(
            *(client.async_token() for _ in range(tasks)), return_exceptions=True
        )

    results = in_threads(lambda: asyncio.run(many()), loops)
    return [each for result in results for each in result]  # type: ignore[attr-defined]


def test_threads_and_event_loops_wait_for_the_same_request(
    client: TokenClient, issuer: ScriptedIssuer
):
    issuer.open.clear()
    with ThreadPoolExecutor(2) as pool:
        threads = pool.submit(in_threads, client.token)
        loops = pool.submit(in_event_loops, client)
        wait_until(lambda: issuer.issuer_requests == 1, 30, "the request")
        issuer.open.set()
        assert set(threads.result(30) + loops.result(30)) == {"token-1"}
    assert issuer.issuer_requests == 1


def test_all_waiters_learn_of_one_failure(client: TokenClient, issuer: ScriptedIssuer):
    issuer.open.clear()
    issuer.next_answers = [refusal("invalid_client", "Disabled.", 401)]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(in_threads, client.token)
        wait_until(lambda: issuer.issuer_requests == 1, 30, "the request")
        issuer.open.set()
        errors = waiting.result(30)
    assert {str(error) for error in errors} == {
        "The issuer refuses a token: invalid_client (Disabled.)"
    }
    assert len({id(error) for error in errors}) == WAITERS
    assert issuer.issuer_requests == 1


def test_a_waiter_that_is_cancelled_does_not_cancel_for_others(
    client: TokenClient, issuer: ScriptedIssuer
):
    async def run() -> str:
        first, second = (asyncio.create_task(client.async_token()) for _ in range(2))
        while issuer.issuer_requests == 0:
            await asyncio.sleep(0.001)
        first.cancel()
        await asyncio.sleep(0)
        issuer.open.set()
        assert first.cancelled() or first.cancelling()
        return await second

    issuer.open.clear()
    assert asyncio.run(run()) == "token-1"
    assert issuer.issuer_requests == 1


def test_waiting_ends_in_time_and_the_request_goes_on(client: TokenClient, issuer: ScriptedIssuer):
    issuer.open.clear()
    with pytest.raises(TokenUnavailable, match="within"):
        client.token(timeout=0.01)
    with pytest.raises(TokenUnavailable, match="within"):
        asyncio.run(client.async_token(timeout=0.01))
    issuer.open.set()
    assert client.token() == "token-1"
    assert issuer.issuer_requests == 1


def test_many_refused_calls_get_one_new_token(client: TokenClient, issuer: ScriptedIssuer):
    """Threads that all sent the refused token, and learn of it at different times."""
    service = CalledService(refused={"token-1"})
    client.token()
    with httpx.Client(transport=httpx.MockTransport(service), auth=client.auth(OS)) as http:
        answers = in_threads(lambda: http.get(OS).status_code)
    assert answers == [200] * WAITERS
    assert issuer.issuer_requests == 2


def test_many_refused_calls_of_an_event_loop_get_one_new_token(
    client: TokenClient, issuer: ScriptedIssuer
):
    service = CalledService(refused={"token-1"})

    async def run() -> list[int]:
        transport = httpx.MockTransport(service)
        async with httpx.AsyncClient(transport=transport, auth=client.auth(OS)) as http:
            await http.get("https://os.example/warm-up")
            answers = await asyncio.gather(*(http.get(OS) for _ in range(WAITERS)))
        return [each.status_code for each in answers]

    assert asyncio.run(run()) == [200] * WAITERS
    assert issuer.issuer_requests == 2


def test_renewal_in_the_background_is_one_request(
    client: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    client.token()
    clock.move(0.9 * LIFETIME)
    issuer.open.clear()
    assert set(in_threads(client.token)) == {"token-1"}
    issuer.open.set()
    settled(client)
    assert issuer.issuer_requests == 2


FORKING = """
import os, sys, threading
import httpx
from issuer.client import TokenClient

asked, released = threading.Event(), threading.Event()
parent = os.getpid()

def answer(request):
    if "well-known" in request.url.path:
        return httpx.Response(200, json={"issuer": "https://id.example",
                                         "token_endpoint": "https://id.example/token"})
    asked.set()
    if os.getpid() == parent:
        released.wait(30)
    return httpx.Response(200, json={"access_token": str(os.getpid()), "token_type": "Bearer",
                                     "expires_in": 900})

client = TokenClient("https://id.example", "ci-bot", client_secret="secret",
                     transport=lambda: httpx.MockTransport(answer))
threading.Thread(target=client.token, daemon=True).start()
asked.wait(30)
child = os.fork()
if child == 0:
    os._exit(0 if client.token(timeout=30) == str(os.getpid()) else 1)
status = os.waitpid(child, 0)[1]
released.set()
assert client.token() == str(parent)
sys.exit(status)
"""


def test_a_forked_child_requests_for_itself():
    """Servers fork workers; the thread of a request does not come along."""
    assert succeeds(FORKING)
