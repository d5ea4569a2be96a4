"""Assertions are used once, those of many requests in one commit."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Connection, Engine, event

from issuer.clients.used_assertions_store import UsedAssertions
from issuer.composition import compose
from issuer.errors import InvalidCredentials, TooManyRequests, UsedBefore
from tests.builders import Deployment
from tests.killing import killed


@contextmanager
def using(deployment: Deployment, **limits: int) -> Iterator[UsedAssertions]:
    """What one process has."""
    used = UsedAssertions(deployment.services.database, deployment.clock, **limits)
    used.writer.start()
    yield used
    used.writer.stop()


async def outcome(used: UsedAssertions, name: str, client_id: str = "batch") -> type | None:
    """None if the assertion is used, else the error."""
    until = used._clock().replace(microsecond=0)
    try:
        await used.use(client_id, name, until)
    except (InvalidCredentials, TooManyRequests) as error:
        return type(error)
    return None


def test_of_one_assertion_in_several_requests_one_is_used(deployment: Deployment):
    async def use() -> list[type | None]:
        return await asyncio.gather(*(outcome(used, name) for name in ("a", "b", "a", "a")))

    with using(deployment) as used:
        assert Counter(asyncio.run(use())) == {None: 2, UsedBefore: 2}
        assert set(asyncio.run(use())) == {UsedBefore}


def test_of_one_assertion_in_several_processes_one_is_used(deployment: Deployment):
    """Although they come in another order to each."""
    names = [str(number) for number in range(50)]

    async def use() -> list[type | None]:
        uses = [outcome(each, name) for name in names for each in processes[:2]]
        uses += [outcome(processes[2], name) for name in reversed(names)]
        return await asyncio.gather(*uses)

    with ExitStack() as held:
        processes = [held.enter_context(using(deployment)) for _ in range(3)]
        outcomes = Counter(asyncio.run(use()))
    assert outcomes == {None: len(names), UsedBefore: 2 * len(names)}


def test_assertions_that_come_together_are_used_in_one_commit(deployment: Deployment):
    commits: list[Connection] = []

    def note(connection: Connection) -> None:
        if threading.current_thread().name == used.writer.name:
            commits.append(connection)

    async def use() -> list[type | None]:
        return await asyncio.gather(*(outcome(used, str(number)) for number in range(20)))

    with using(deployment) as used:
        event.listen(Engine, "commit", note)
        try:
            assert set(asyncio.run(use())) == {None}
        finally:
            event.remove(Engine, "commit", note)
    assert len(commits) == 1


def test_after_sigkill_an_assertion_is_used_or_can_be(deployment: Deployment):
    def use_elsewhere() -> None:
        elsewhere = compose(deployment.services.settings, deployment.clock)
        used = elsewhere.tokens.used_assertions
        used.writer.start()
        assert asyncio.run(outcome(used, "one")) is None

    with using(deployment) as used:
        assert killed(use_elsewhere, before=0) == "commit"
        assert killed(use_elsewhere, before=1) is None
        assert asyncio.run(outcome(used, "one")) is UsedBefore


def test_a_client_uses_a_bounded_number_of_assertions(deployment: Deployment):
    """Beyond it the client waits; others do not."""
    most = 5

    async def use_many() -> int:
        accepted = 0
        while await outcome(used, str(accepted)) is None:
            accepted += 1
        assert await outcome(used, "another") is TooManyRequests
        assert await outcome(used, "another", "other") is None
        assert await outcome(used, "another", "other") is UsedBefore
        return accepted

    with using(deployment, most=most) as used:
        assert most <= asyncio.run(use_many()) <= most + 100
