"""Refresh tokens on a running server: concurrent uses, and SIGKILL meanwhile."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.builders import Credentials
from tests.drivers import TokenDriver
from tests.journeys.running_issuer import RunningIssuer, polls, wait_until
from tests.oauth.refreshing import GRANTS, events, families

pytestmark = pytest.mark.slow

AT_ONCE = 200
CALLERS = 8
KILLS = 3
REFRESHES_BEFORE_A_KILL = 40
SECONDS = 300


@dataclass
class RefreshingCaller:
    """A user's app: its current refresh token, and every access token that it received."""

    client: Credentials
    refresh_token: str
    access_tokens: list[str] = field(default_factory=list)


@contextmanager
def running(folder: Path, url: str, **settings: str) -> Iterator[RunningIssuer]:
    with RunningIssuer(folder, url, **settings) as issuer:
        issuer.deployment.role("runner", ["agents:run"])
        issuer.deployment.user("alice", roles=["runner"])
        yield issuer


@pytest.mark.parametrize("grace", ["0s", "10m"])
def test_many_uses_at_once_of_one_refresh_token(
    tmp_path: Path, migrated_database_url: str, grace: str
):
    """At two processes. One use is the first: the others end the family, or repeat its answer."""
    with (
        running(tmp_path, migrated_database_url, refresh_reuse_grace=grace) as issuer,
        issuer.replica() as replica,
    ):
        caller = signed_in(issuer, "app")
        answers = at_once([issuer.url, replica.url], caller)
        granted = [answer.json() for answer in answers if answer.status_code == httpx.codes.OK]
        refused = [answer.json() for answer in answers if answer.status_code != httpx.codes.OK]
        successors = {each["refresh_token"] for each in granted}
        assert len(successors) == 1
        if grace == "0s":
            assert len(granted) == 1
            assert {each["error"] for each in refused} == {"invalid_grant"}
            assert_ended(issuer, caller, granted[0])
        else:
            assert not refused
            assert len({each["access_token"] for each in granted}) == AT_ONCE
            assert families(issuer.deployment) == 1
            caller.refresh_token = successors.pop()
            refresh(issuer.token_endpoint, caller)
        assert stored(issuer) >= jtis(issuer, [each["access_token"] for each in granted])


def assert_ended(issuer: RunningIssuer, caller: RefreshingCaller, granted: dict[str, str]) -> None:
    assert families(issuer.deployment) == 0
    assert len(events(issuer.deployment, "refresh.reused")) == 1
    answer = issuer.token_endpoint.refresh(caller.client, granted["refresh_token"])
    assert answer.error == "invalid_grant"
    for token in (granted["access_token"], *caller.access_tokens):
        assert issuer.token_endpoint.introspect(caller.client, token) == {"active": False}


def at_once(urls: Sequence[str], caller: RefreshingCaller) -> list[httpx.Response]:
    """The same request on several connections, to each server in turn.

    One that is refused since the machine is busy is repeated: it used no refresh token.
    """

    async def all_of_them() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=AT_ONCE)
        form = {"grant_type": "refresh_token", "refresh_token": caller.refresh_token}
        auth = (caller.client.client_id, caller.client.client_secret)
        async with httpx.AsyncClient(limits=limits, timeout=SECONDS, trust_env=False) as http:

            async def ask(url: str) -> httpx.Response:
                while True:
                    answer = await http.post(f"{url}/oauth2/token", data=form, auth=auth)
                    if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                        return answer

            async with asyncio.timeout(SECONDS):
                return await asyncio.gather(*(ask(urls[n % len(urls)]) for n in range(AT_ONCE)))

    return asyncio.run(all_of_them())


def test_with_a_grace_period_sigkill_signs_no_user_out(tmp_path: Path, migrated_database_url: str):
    """A client without an answer retries, and gets the answer that was stored."""
    with running(tmp_path, migrated_database_url, refresh_reuse_grace="10m") as issuer:
        callers = [signed_in(issuer, f"app-{number}") for number in range(CALLERS)]
        for _ in range(KILLS):
            enough = refreshed(callers) + REFRESHES_BEFORE_A_KILL
            with refreshing(issuer.url, callers):
                wait_until(lambda: refreshed(callers) >= enough, SECONDS, "enough was refreshed")  # noqa: B023
                issuer.kill()
            issuer.restart()
        for caller in callers:
            refresh(issuer.token_endpoint, caller)
        reached = [token for caller in callers for token in caller.access_tokens]
        assert jtis(issuer, reached) <= stored(issuer)
        assert families(issuer.deployment) == CALLERS


@contextmanager
def refreshing(url: str, callers: Sequence[RefreshingCaller]) -> Iterator[None]:
    """Each refreshes repeatedly until the server stops. The block re-raises its errors."""
    errors: list[BaseException] = []

    def run(caller: RefreshingCaller) -> None:
        try:
            with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as http:
                while True:
                    refresh(TokenDriver(http), caller)
        except httpx.TransportError:
            pass
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[caller]) for caller in callers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()
    if errors:
        raise ExceptionGroup("in a thread", errors)


def signed_in(issuer: RunningIssuer, client_id: str) -> RefreshingCaller:
    client = issuer.deployment.client(client_id, scopes=["agents:run"], grant_types=GRANTS)
    answer = issuer.token_endpoint.password(client, "alice")
    return RefreshingCaller(client, answer.refresh_token, [answer.token])


def refresh(endpoint: TokenDriver, caller: RefreshingCaller) -> None:
    """Repeated while the server is too busy."""
    for _ in polls(SECONDS):
        answer = endpoint.refresh(caller.client, caller.refresh_token)
        if answer.status != httpx.codes.SERVICE_UNAVAILABLE:
            break
    assert answer.status == httpx.codes.OK, answer.body
    caller.refresh_token = answer.refresh_token
    caller.access_tokens.append(answer.token)


def refreshed(callers: Sequence[RefreshingCaller]) -> int:
    return sum(len(caller.access_tokens) for caller in callers)


def jtis(issuer: RunningIssuer, tokens: Sequence[str]) -> set[str]:
    keys = KeySet.import_key_set(issuer.http.get("/.well-known/jwks.json").json())
    return {jwt.decode(token, keys, algorithms=["RS256"]).claims["jti"] for token in tokens}


def stored(issuer: RunningIssuer) -> set[str]:
    counted = Counter(event.details["jti"] for event in events(issuer.deployment, "token.issued"))
    assert set(counted.values()) == {1}
    return set(counted)
