"""Several processes with different clocks share one database and one feed."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import import_key

from issuer.clock import Clock
from issuer.composition import Composition, compose
from issuer.revocations import Revocations
from issuer.tokens.feed import RENEW_AFTER
from issuer.vocabulary import MAX_CLOCK_SKEW
from tests.builders import OPERATOR, Deployment, FakeClock

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


class ClockAhead(Clock):
    """Ahead of the clock of the test, or behind it."""

    def __init__(self, clock: FakeClock, ahead: timedelta) -> None:
        self._clock = clock
        self._ahead = ahead

    def __call__(self) -> datetime:
        return self._clock() + self._ahead

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def ahead_of(self, shown: datetime, asked_at: datetime) -> timedelta:
        """The database has the time of the test."""
        return self._ahead


@pytest.fixture
def process(deployment: Deployment, clock: FakeClock) -> Iterator[Callable[..., Composition]]:
    """Starts a separate process; the test takes the steps of its threads."""
    made: list[Composition] = []

    def start(ahead: timedelta = timedelta(0)) -> Composition:
        services = compose(deployment.services.settings, ClockAhead(clock, ahead))
        services.keys.keyring.reconcile()
        services.tokens.changes.poll()
        made.append(services)
        return services

    yield start
    for services in made:
        services.database.dispose()


def claims_of(services: Composition) -> dict[str, Any]:
    """The feed as that process serves it now."""
    alg = services.settings.signing_algorithms[0]
    document = services.tokens.revocation_feed.held(alg) or services.tokens.revocation_feed.render(
        alg
    )
    key = services.keys.keyring.verifying(document.kid)
    assert key is not None
    public = import_key(dict(key.public_jwk))
    return jwt.decode(document.body.decode(), public, [alg.value]).claims


def revoked_in(services: Composition) -> dict[str, Any]:
    revoked: dict[str, Any] = claims_of(services)["revoked"]
    return revoked


def test_the_time_of_the_feed_never_goes_back(
    process: Callable[..., Composition], clock: FakeClock
):
    """Whichever process serves it, and whichever revokes meanwhile."""
    ahead, behind = process(MAX_CLOCK_SKEW / 2), process(-MAX_CLOCK_SKEW / 2)
    seen = []
    for number in range(6):
        for each in (ahead, behind):
            with each.administration.changing(OPERATOR) as work:
                work.revocations.revoke_tokens({f"jti-{number}": clock() + HOUR})
            for asked in (behind, ahead, behind):
                asked.tokens.changes.poll()
                seen.append(claims_of(asked)["iat"])
        clock.move(RENEW_AFTER / 2)
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]


def test_of_processes_that_renew_the_feed_one_sets_the_time(
    process: Callable[..., Composition], clock: FakeClock
):
    """So that every process serves the same document, and a 304."""
    first, second = process(), process(SECOND)
    clock.move(RENEW_AFTER)
    alg = first.settings.signing_algorithms[0]
    etag = first.tokens.revocation_feed.render(alg).etag
    assert second.tokens.revocation_feed.render(alg).etag == etag


def test_other_processes_know_a_revocation_when_they_next_read_changes(
    process: Callable[..., Composition], clock: FakeClock
):
    here, there = process(), process()
    for number in range(3):
        with here.administration.changing(OPERATOR) as work:
            work.revocations.revoke_tokens({f"jti-{number}": clock() + HOUR})
            work.revocations.revoke_client(f"client-{number}")
            work.revocations.revoke_audience(f"os-{number}")
        there.tokens.changes.poll()
        assert claims_of(there) == claims_of(here)
    assert len(revoked_in(there)["jti"]) == len(revoked_in(there)["aud"]) == 3


def test_concurrent_revocations_in_two_processes_are_all_seen(
    process: Callable[..., Composition], clock: FakeClock
):
    """Each commit has its own number, in order: a reader of a number has all earlier changes."""
    processes = [process(), process(), process()]
    watcher = processes[-1]

    def revoke(number: int) -> None:
        with processes[number % 2].database.transaction() as session:
            revocations = Revocations(session, clock)
            # In different orders, with one token in common.
            names = [f"jti-{number}", "jti-of-all"]
            revocations.revoke_tokens(
                {name: clock() + HOUR for name in names[:: 1 - number % 2 * 2]}
            )
            revocations.revoke_subject(f"user-{number % 5}")

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(revoke, number) for number in range(40)]
        while not all(each.done() for each in running):
            watcher.tokens.changes.poll()
        for each in running:
            each.result()
    for each in processes:
        each.tokens.changes.poll()
        revoked = revoked_in(each)
        assert len(revoked["jti"]) == 41
        assert len(revoked["sub"]) == 5


def test_a_process_that_starts_later_has_the_whole_feed(
    process: Callable[..., Composition], clock: FakeClock
):
    here = process()
    with here.administration.changing(OPERATOR) as work:
        work.revocations.revoke_tokens({"a": clock() + HOUR})
        work.revocations.revoke_subject("alice")
        work.revocations.revoke_audience("my-os")
    assert claims_of(process()) == claims_of(here)
