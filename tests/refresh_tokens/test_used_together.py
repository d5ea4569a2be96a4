"""Refresh tokens that are used at the same time, by one transaction."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import get_ident

import pytest
from sqlalchemy import event, select

from issuer.audit import Actor
from issuer.background.batches import BatchWorker
from issuer.database.counts import wait_for_revocations
from issuer.database.tables import RefreshFamilyRow
from issuer.refresh_tokens import RefreshTokens, TokenToStore
from issuer.refresh_tokens.family import TokenUse, request_digest
from issuer.tokens.authorization import Authorization
from issuer.tokens.issuing import RevokedUntil
from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.interleaving import is_one_blocked, number_blocked
from tests.journeys.running_issuer import wait_until
from tests.oauth.refreshing import SignedIn, events, families, sign_in
from tests.test_batches import all_of, started

ASKED = request_digest(None, None)
GRACE = {"refresh_reuse_grace": "30s"}


@pytest.fixture
def alice(deployment: Deployment, token_endpoint: TokenDriver) -> SignedIn:
    return sign_in(deployment, token_endpoint)


@pytest.fixture
def refresh_tokens(deployment: Deployment) -> RefreshTokens:
    return deployment.services.tokens.refresh_tokens


def use_of(alice: SignedIn, token: str) -> TokenUse:
    """What the token endpoint hands to the writer, for a token that is valid now."""
    tokens = alice.deployment.services.tokens
    user, client = tokens.directory.load_user(alice.user_id), tokens.directory.load_client("app")
    presented = tokens.refresh_tokens.present(token, "app", ASKED, Actor("app"))
    held = Authorization.of_user(user, client, client.audiences["my-os"])
    authorization = replace(held, sid=presented.family.id)
    access_token = tokens.issuer.issue(authorization, alice.deployment.clock())
    details = access_token.details("my-os")
    return tokens.refresh_tokens.use_of(
        presented, TokenToStore(access_token, Actor("app"), details)
    )


def uses_of(alice: SignedIn, tokens: Sequence[str]) -> list[TokenUse]:
    return [use_of(alice, token) for token in tokens]


def test_they_share_a_commit_and_each_is_audited(alice: SignedIn, refresh_tokens: RefreshTokens):
    tokens = [alice.answer.refresh_token, *(alice.sign_in().refresh_token for _ in range(4))]
    uses, threads = uses_of(alice, tokens), []
    engine = alice.deployment.services.database.engine
    event.listen(engine, "commit", lambda _: threads.append(get_ident()))
    successors = refresh_tokens.use(uses)
    assert threads.count(get_ident()) == 1
    audited = [each.details["jti"] for each in events(alice.deployment, "token.issued")[-5:]]
    assert audited == [use.issue.access_token.jti for use in uses]
    assert alice.deployment.services.audit.verify().ok
    assert all(alice.refresh(successor).status == 200 for successor in successors)
    assert alice.refresh(tokens[0]).error == "invalid_grant"


def test_of_two_uses_of_a_token_the_first_succeeds(alice: SignedIn, refresh_tokens: RefreshTokens):
    other = alice.sign_in().refresh_token
    first, second, third = uses_of(alice, [alice.answer.refresh_token] * 2 + [other])
    successor, refused, of_other = refresh_tokens.use([first, second, third])
    assert isinstance(refused, RevokedUntil)
    assert (successor, of_other) == (first.successor, third.successor)
    assert len(events(alice.deployment, "token.issued")) == 4
    assert alice.refresh(successor).status == 200


@pytest.mark.parametrize("more_settings", [GRACE])
def test_within_the_grace_period_repeated_requests_all_succeed(
    alice: SignedIn, refresh_tokens: RefreshTokens
):
    successor = alice.refresh().refresh_token
    assert refresh_tokens.use(uses_of(alice, [alice.answer.refresh_token] * 3)) == [successor] * 3


def test_one_that_cannot_be_stored_fails_alone(alice: SignedIn, refresh_tokens: RefreshTokens):
    uses = uses_of(alice, [alice.answer.refresh_token, alice.sign_in().refresh_token])
    unstorable = replace(uses[0].issue, details={"not": object()})
    with started(BatchWorker("uses", refresh_tokens.use)) as worker:
        failed, successor = all_of(worker, [replace(uses[0], issue=unstorable), uses[1]])
    assert isinstance(failed, TypeError)
    assert alice.refresh(successor).status == 200
    assert alice.refresh().status == 200


def test_tokens_that_end_meanwhile_are_not_used(alice: SignedIn, refresh_tokens: RefreshTokens):
    """The tokens of others in the same transaction are."""
    bob = alice.deployment.user("bob", roles=["runner"])
    of_bob = alice.endpoint.password(alice.client, "bob").refresh_token
    uses = uses_of(alice, [alice.answer.refresh_token, alice.sign_in().refresh_token])
    uses.append(use_of(replace(alice, user_id=bob), of_bob))
    refresh_tokens.revoke(alice.answer.refresh_token, "app", Actor("app"))
    with alice.deployment.changing() as work:
        work.users.revoke_tokens(alice.user_id)
    *ended, successor = refresh_tokens.use(uses)
    assert all(isinstance(each, RevokedUntil) for each in ended)
    assert alice.refresh(successor).status == 200
    assert families(alice.deployment) == 1


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_they_wait_neither_for_a_change_nor_for_a_locked_family(
    alice: SignedIn, refresh_tokens: RefreshTokens
):
    """A family that a change is ending is presented again; the others are used meanwhile."""
    uses = uses_of(alice, [alice.answer.refresh_token, alice.sign_in().refresh_token])
    row, family_id = RefreshFamilyRow, uses[0].before.id
    with alice.deployment.services.database.changing() as session:
        session.execute(select(row.id).where(row.id == family_id).with_for_update())
        locked, successor = refresh_tokens.use(uses)
    assert isinstance(locked, RevokedUntil)
    assert alice.refresh(successor).status == 200
    assert alice.refresh().status == 200


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_they_wait_for_a_revocation_that_is_being_committed(
    alice: SignedIn, refresh_tokens: RefreshTokens
):
    """A token issued meanwhile would be newer than what is revoked, and stay valid."""
    deployment = alice.deployment
    with ThreadPoolExecutor() as threads:
        with deployment.changing() as work:
            work.users.revoke_tokens(alice.user_id)
            deployment.clock.move(timedelta(seconds=3))
            used = threads.submit(refresh_tokens.use, uses_of(alice, [alice.answer.refresh_token]))
            wait_until(partial(is_one_blocked, deployment), 20, "the use waits for a lock")
        (ended,) = used.result()
    assert isinstance(ended, RevokedUntil)


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_a_revocation_that_waits_comes_before_later_uses(
    alice: SignedIn, refresh_tokens: RefreshTokens
):
    """Else it could wait for as long as processes use refresh tokens, one after the other."""
    database = alice.deployment.services.database
    uses = uses_of(alice, [alice.answer.refresh_token])

    def revoke() -> None:
        with alice.deployment.changing() as work:
            work.users.revoke_tokens(alice.user_id)

    with ThreadPoolExecutor() as threads:
        with database.statements() as earlier:
            wait_for_revocations(earlier)
            revoked = threads.submit(revoke)
            wait_until(partial(is_one_blocked, alice.deployment), 20, "the revocation waits")
            used = threads.submit(refresh_tokens.use, uses)
            wait_until(lambda: number_blocked(alice.deployment) == 2, 20, "the later use waits")
        revoked.result()
        (ended,) = used.result()
    assert isinstance(ended, RevokedUntil)
