"""A process that exchanges tokens, or revokes one, may be killed before each durable step."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

import pytest
from sqlalchemy import func, select

from issuer.audit import Actor
from issuer.background.workers import WorkerPool
from issuer.composition import Composition, compose
from issuer.database.tables import ExchangedTokenRow
from issuer.oauth import IssuerAuthorizationServer
from issuer.oauth.messages import AuthenticatedRequest, ParsedRequest, ReceivedForm
from issuer.oauth.token_endpoint import issued_details
from issuer.refresh_tokens import TokenToStore
from issuer.settings import Settings
from tests.builders import OPERATOR, Deployment, FakeClock
from tests.drivers import TokenDriver
from tests.killing import killed
from tests.oauth.exchanging import ACCESS_TOKEN, EXCHANGE, Actors, actors
from tests.oauth.refreshing import events


@pytest.fixture
def acting(deployment: Deployment, token_endpoint: TokenDriver) -> Actors:
    return actors(deployment, token_endpoint)


def exchange(services: Composition, acting: Actors, token: str) -> None:
    """The steps of a worker of the server."""
    clock, agent = services.clock, acting.agent
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
    }
    authenticated = services.tokens.client_authentication.from_database(
        agent.client_id, agent.client_secret, clock(), is_last=True
    )
    request = AuthenticatedRequest(
        ParsedRequest(ReceivedForm([], b"", Actor()), form),
        authenticated.record,
        authenticated.secret,
    )
    server, exchanges = IssuerAuthorizationServer(services.protocol), services.tokens.exchanges
    exchanges.reader.start()
    exchanges.writer.start()

    async def steps() -> None:
        found = await server.grants[EXCHANGE].look_up(request, WorkerPool("queries", 1, 1))
        granted = server.authorize(found)
        access_token = services.tokens.issuer.issue(granted.authorization, clock())
        details = issued_details(granted, access_token)
        await granted.store_together(TokenToStore(access_token, request.actor, details))

    asyncio.run(steps())


def revoke(services: Composition, _: Actors, token: str) -> None:
    with services.administration.changing(OPERATOR) as work:
        work.token_revocations.revoke(token)


def in_a_process(
    work: Callable[[Composition, Actors, str], None],
    settings: Settings,
    clock: FakeClock,
    acting: Actors,
    token: str,
) -> None:
    services = compose(settings, clock)
    services.keys.keyring.cleanup()
    services.keys.keyring.reconcile()
    work(services, acting, token)


def kills(
    acting: Actors, work: Callable[[Composition, Actors, str], None], token: str
) -> Iterator[str]:
    """Kill the process before each durable step, until it runs to its end."""
    settings, clock = acting.deployment.services.settings, acting.deployment.clock
    for before in count():
        step = killed(partial(in_a_process, work, settings, clock, acting, token), before)
        if step is None:
            return
        yield step


def stored(deployment: Deployment) -> int:
    with deployment.services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(ExchangedTokenRow))


def test_an_exchange_that_is_killed_is_done_completely_or_not_at_all(acting: Actors):
    """With its audit event: no token is sent that a revocation does not know."""
    token = acting.sign_in().token
    for _ in kills(acting, exchange, token):
        assert stored(acting.deployment) == 0
        assert len(events(acting.deployment, "token.issued")) == 1
    assert stored(acting.deployment) == 1
    assert len(events(acting.deployment, "token.issued")) == 2


def test_a_revocation_that_is_killed_is_done_completely_or_not_at_all(acting: Actors):
    first = acting.sign_in().token
    tokens = [first, *acting.chain(first)]
    for _ in kills(acting, revoke, first):
        acting.deployment.services.tokens.changes.poll()
        assert all(acting.accepted(each) for each in tokens)
    acting.deployment.services.tokens.changes.poll()
    assert not any(acting.accepted(each) for each in tokens)
