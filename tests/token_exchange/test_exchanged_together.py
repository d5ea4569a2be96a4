"""Tokens that are exchanged at the same time, by one transaction, beside revocations."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import get_ident

import pytest
from sqlalchemy import event

from issuer.audit import Actor
from issuer.background.batches import BatchWorker
from issuer.composition import UnitOfWork
from issuer.database.counts import wait_for_revocations
from issuer.errors import InvalidCredentials
from issuer.refresh_tokens import TokenToStore
from issuer.token_exchange import TokenExchanges
from issuer.token_exchange.store import add_exchanged
from issuer.token_exchange.subject import Exchange, identity_of
from issuer.tokens.authorization import Authorization
from issuer.tokens.issuing import RevokedUntil
from issuer.tokens.reading import VerifiedToken
from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.interleaving import is_one_blocked, number_blocked
from tests.journeys.running_issuer import wait_until
from tests.oauth.exchanging import Actors, actors
from tests.oauth.refreshing import events
from tests.test_batches import all_of, started


@pytest.fixture
def acting(deployment: Deployment, token_endpoint: TokenDriver) -> Actors:
    return actors(deployment, token_endpoint)


@pytest.fixture
def exchanges(deployment: Deployment) -> TokenExchanges:
    return deployment.services.tokens.exchanges


def exchange_of(acting: Actors, token: str) -> Exchange:
    """What the grant hands to the writer, for a token that agent presents."""
    tokens = acting.deployment.services.tokens
    (subject,) = tokens.exchanges.find([tokens.any_reader.read(token)])
    client = tokens.directory.load_client("agent")
    held = Authorization.of_user(subject.user, client, client.audiences["archive"])
    authorization = replace(held, act={"sub": "agent"})
    access_token = tokens.issuer.issue(authorization, acting.deployment.clock())
    issue = TokenToStore(access_token, Actor("agent"), access_token.details("archive"))
    return Exchange(subject, identity_of(authorization, issue), issue)


def exchanges_of(acting: Actors, number: int) -> list[Exchange]:
    return [exchange_of(acting, acting.sign_in().token) for _ in range(number)]


def is_listed(acting: Actors, exchange: Exchange) -> bool:
    """Whether the token that was issued is revoked, according to the database."""
    return acting.deployment.services.tokens.is_revoked(exchange.issued)


def test_they_share_a_commit_and_each_is_audited(acting: Actors, exchanges: TokenExchanges):
    exchanged, threads = exchanges_of(acting, 5), []
    engine = acting.deployment.services.database.engine
    event.listen(engine, "commit", lambda _: threads.append(get_ident()))
    assert exchanges.store(exchanged) == [None] * 5
    assert threads.count(get_ident()) == 1
    audited = [each.details["jti"] for each in events(acting.deployment, "token.issued")[-5:]]
    assert audited == [each.issued.jti for each in exchanged]
    assert acting.deployment.services.audit.verify().ok


def test_one_that_cannot_be_stored_fails_alone(acting: Actors, exchanges: TokenExchanges):
    first, second = exchanges_of(acting, 2)
    unstorable = replace(first, issue=replace(first.issue, details={"not": object()}))
    with started(BatchWorker("exchanges", exchanges.store)) as worker:
        failed, stored = all_of(worker, [unstorable, second])
    assert isinstance(failed, TypeError)
    assert stored is None
    assert len(events(acting.deployment, "token.issued")) == 3


def test_what_is_revoked_meanwhile_is_not_exchanged(acting: Actors, exchanges: TokenExchanges):
    """Other tokens in the same transaction are."""
    first, second = exchanges_of(acting, 2)
    with acting.deployment.changing() as work:
        work.revocations.revoke_tokens({first.subject.token.jti: first.subject.token.expires_at})
    refused, stored = exchanges.store([first, second])
    assert isinstance(refused, InvalidCredentials)
    assert refused.reason == "revoked"
    assert stored is None
    assert not is_listed(acting, second)


def test_what_expires_meanwhile_is_not_exchanged(acting: Actors, exchanges: TokenExchanges):
    exchanged = exchanges_of(acting, 1)
    acting.deployment.clock.move(timedelta(minutes=15))
    (outcome,) = exchanges.store(exchanged)
    assert isinstance(outcome, InvalidCredentials)
    assert outcome.reason == "expired"


def test_a_token_whose_key_is_revoked_meanwhile_is_not_exchanged(
    acting: Actors, exchanges: TokenExchanges
):
    """Whoever has the private key could exchange tokens that it made, while it is revoked."""
    (exchanged,) = exchanges_of(acting, 1)
    revoke(acting, "key", exchanged.subject.token)
    (outcome,) = exchanges.store([exchanged])
    assert isinstance(outcome, InvalidCredentials)
    assert outcome.reason == "revoked"


def test_a_token_for_a_client_that_was_revoked_is_tried_again(
    acting: Actors, exchanges: TokenExchanges
):
    """The subject token is as good as before; the client may have been enabled again."""
    (exchanged,) = exchanges_of(acting, 1)
    with acting.deployment.changing() as work:
        work.clients.revoke_tokens("agent")
    assert isinstance(exchanges.store([exchanged])[0], RevokedUntil)
    assert len(events(acting.deployment, "token.issued")) == 1


def revoke(acting: Actors, what: str, token: VerifiedToken) -> None:
    with acting.deployment.changing() as work:
        revoke_within(work, acting, what, token)


def revoke_within(work: UnitOfWork, acting: Actors, what: str, token: VerifiedToken) -> None:
    if what == "token":
        work.revocations.revoke_tokens({token.jti: token.expires_at})
    elif what == "client":
        work.clients.revoke_tokens("app")
    elif what == "key":
        work.token_revocations.revoke_key(token.kid)
    else:
        work.users.revoke_tokens(acting.user_id)


def revoking(acting: Actors, what: str, exchanged: Exchange) -> Callable[[], None]:
    return partial(revoke, acting, what, exchanged.subject.token)


WHAT = ["token", "client", "user", "key"]


@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.parametrize("what", WHAT)
def test_an_exchange_waits_for_a_revocation_that_is_being_committed(
    acting: Actors, exchanges: TokenExchanges, what: str
):
    """It would store a token that the revocation does not know."""
    (exchanged,) = exchanges_of(acting, 1)
    deployment = acting.deployment
    with ThreadPoolExecutor() as threads:
        with deployment.changing() as work:
            revoke_within(work, acting, what, exchanged.subject.token)
            stored = threads.submit(exchanges.store, [exchanged])
            wait_until(partial(is_one_blocked, deployment), 20, "the exchange waits for a lock")
        (outcome,) = stored.result()
    assert isinstance(outcome, InvalidCredentials)


@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.parametrize("what", WHAT)
def test_a_revocation_waits_for_exchanges_that_are_being_committed(
    acting: Actors, exchanges: TokenExchanges, what: str
):
    """And revokes what they store."""
    (exchanged,) = exchanges_of(acting, 1)
    deployment = acting.deployment
    with ThreadPoolExecutor() as threads:
        with deployment.services.database.statements() as connection:
            wait_for_revocations(connection)
            add_exchanged(connection, [exchanged])
            revoked = threads.submit(revoking(acting, what, exchanged))
            wait_until(partial(is_one_blocked, deployment), 20, "the revocation waits for a lock")
        revoked.result()
    assert is_listed(acting, exchanged)


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_a_revocation_that_waits_comes_before_later_exchanges(
    acting: Actors, exchanges: TokenExchanges
):
    """Else it could wait for as long as processes exchange tokens, one after the other."""
    first, second = exchanges_of(acting, 2)
    deployment = acting.deployment
    with ThreadPoolExecutor() as threads:
        with deployment.services.database.statements() as earlier:
            wait_for_revocations(earlier)
            add_exchanged(earlier, [first])
            revoked = threads.submit(revoking(acting, "user", first))
            wait_until(partial(is_one_blocked, deployment), 20, "the revocation waits")
            later = threads.submit(exchanges.store, [second])
            wait_until(lambda: number_blocked(deployment) == 2, 20, "the later exchange waits")
        revoked.result()
        (outcome,) = later.result()
    assert is_listed(acting, first)
    assert isinstance(outcome, InvalidCredentials)


@pytest.mark.parametrize("what", WHAT)
def test_of_64_exchanges_beside_a_revocation_none_stays_valid(
    acting: Actors, exchanges: TokenExchanges, what: str
):
    """In threads of one process; tests/journeys/test_exchanging_live.py has two of them."""
    first = acting.sign_in().token
    exchanged = [exchange_of(acting, first) for _ in range(64)]
    revoke_it = revoking(acting, what, exchanged[0])

    def store(some: Sequence[Exchange]) -> list[Exchange]:
        outcomes = exchanges.store(some)
        return [e for e, outcome in zip(some, outcomes, strict=True) if outcome is None]

    with ThreadPoolExecutor(9) as threads:
        began = [threads.submit(store, exchanged[n : n + 8]) for n in range(0, 32, 8)]
        revoked = threads.submit(revoke_it)
        began += [threads.submit(store, exchanged[n : n + 8]) for n in range(32, 64, 8)]
        revoked.result()
        done = [each for part in began for each in part.result()]
    acting.deployment.clock.move(timedelta(seconds=2))
    assert all(is_listed(acting, each) for each in done)
