"""Tokens that are exchanged at two servers beside what revokes them."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.drivers import TokenDriver
from tests.journeys.running_issuer import RunningIssuer, wait_until
from tests.oauth.exchanging import ACCESS_TOKEN, EXCHANGE, Actors, actors
from tests.oauth.refreshing import events
from tests.revocations.feed import Feed

pytestmark = pytest.mark.slow

AT_ONCE = 64
SECONDS = 60
WITHIN = 10.0  # seconds: in so long a verifier knows it
# After so many answers: beside the first exchanges, among them, and when most are done.
MOMENTS = (0, 1, 8, 24, 48)

REVOCATIONS: dict[str, Callable[[Actors, str], object]] = {
    "by its client": lambda acting, token: acting.endpoint.revoke(acting.app, token),
    "by an operator": lambda acting, token: _changed(
        acting, lambda work: work.token_revocations.revoke(token)
    ),
    "its client": lambda acting, _: _changed(
        acting, lambda work: work.clients.revoke_tokens("app")
    ),
    "its user": lambda acting, _: _changed(
        acting, lambda work: work.users.revoke_tokens(acting.user_id)
    ),
    "the client that exchanges it": lambda acting, _: _changed(
        acting, lambda work: work.clients.revoke_tokens("agent")
    ),
}


def _changed(acting: Actors, change: Callable[..., object]) -> None:
    with acting.deployment.changing() as work:
        change(work)


def test_of_64_exchanges_beside_a_revocation_none_stays_valid(
    tmp_path: Path, migrated_database_url: str
):
    """For each kind of revocation, at different moments; half of them go through each server."""
    with (
        RunningIssuer(tmp_path, migrated_database_url, rate_limit_passwords="off") as issuer,
        issuer.replica() as replica,
    ):
        acting = actors(issuer.deployment, issuer.token_endpoint)
        for revoke in REVOCATIONS.values():
            for moment in MOMENTS:
                token = sign_in(acting)
                answers = asyncio.run(
                    exchanged_beside(
                        [issuer.url, replica.url],
                        acting,
                        token,
                        lambda: revoke(acting, token),  # noqa: B023
                        moment,
                    )
                )
                issued = [each.json() for each in answers if each.status_code == httpx.codes.OK]
                refused = [each.json() for each in answers if each.status_code == 400]
                assert len(issued) + len(refused) == AT_ONCE, [each.text for each in answers]
                assert {each["error"] for each in refused} <= {"invalid_request"}
                if revoke is not REVOCATIONS["the client that exchanges it"]:
                    assert_none_accepted(acting, [each["access_token"] for each in issued])
        assert issuer.deployment.services.audit.verify().ok
        assert len(events(issuer.deployment, "token.issued")) > AT_ONCE


def sign_in(acting: Actors) -> str:
    """A token that is valid: those of the same second may have been revoked."""
    tokens: list[str] = []

    def is_active() -> bool:
        answer = acting.endpoint.password(acting.app, "alice")
        if answer.status == httpx.codes.OK:
            tokens.append(answer.token)
        return bool(tokens) and acting.endpoint.introspect(acting.app, tokens[-1])["active"]

    wait_until(is_active, SECONDS, "alice signs in")
    return tokens[-1]


def assert_none_accepted(acting: Actors, tokens: list[str]) -> None:
    assert not any(acting.endpoint.introspect(acting.agent, each)["active"] for each in tokens)
    http = acting.deployment.http
    wait_until(
        lambda: all(map(Feed.of(http).refuses, tokens)), WITHIN, "verifiers refuse all of them"
    )


async def exchanged_beside(
    urls: list[str], acting: Actors, token: str, revoke: Callable[[], object], moment: int
) -> list[httpx.Response]:
    """The same request on many connections, to each server in turn.

    It is revoked once there are as many answers as `moment`.
    """
    answers: list[httpx.Response] = []
    are_enough = asyncio.Event()
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
    }
    auth = (acting.agent.client_id, acting.agent.client_secret)
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(limits=limits, timeout=SECONDS, trust_env=False) as http:

        async def ask(url: str) -> None:
            """Repeated while the server is too busy, or tokens are being revoked."""
            answer = await http.post(f"{url}/oauth2/token", data=form, auth=auth)
            while answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                answer = await http.post(f"{url}/oauth2/token", data=form, auth=auth)
            answers.append(answer)
            if len(answers) >= moment:
                are_enough.set()

        async def revoke_meanwhile() -> None:
            if moment:
                await are_enough.wait()
            await asyncio.to_thread(revoke)

        async with asyncio.timeout(SECONDS):
            asked = [ask(urls[n % len(urls)]) for n in range(AT_ONCE)]
            await asyncio.gather(*asked, revoke_meanwhile())
    return answers


def test_sigkill_leaves_no_exchanged_token_that_a_revocation_does_not_reach(
    tmp_path: Path, migrated_database_url: str
):
    """Every token that a caller received is found, after the server was killed and restarted."""
    with RunningIssuer(tmp_path, migrated_database_url, rate_limit_passwords="off") as issuer:
        acting = actors(issuer.deployment, issuer.token_endpoint)
        token, received = sign_in(acting), []

        async def until_killed() -> None:
            form = {
                "grant_type": EXCHANGE,
                "subject_token": token,
                "subject_token_type": ACCESS_TOKEN,
            }
            auth = (acting.agent.client_id, acting.agent.client_secret)
            async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as http:

                async def ask() -> None:
                    try:
                        while True:
                            answer = await http.post(
                                f"{issuer.url}/oauth2/token", data=form, auth=auth
                            )
                            if answer.status_code == httpx.codes.OK:
                                received.append(answer.json()["access_token"])
                            if len(received) == AT_ONCE:
                                issuer.kill()
                    except httpx.TransportError:
                        pass

                await asyncio.gather(*(ask() for _ in range(8)))

        asyncio.run(until_killed())
        issuer.restart()
        again = TokenDriver(issuer.http)
        assert again.revoke(acting.app, token).status_code == httpx.codes.OK
        assert len(received) >= AT_ONCE
        assert_none_accepted(acting, received)
