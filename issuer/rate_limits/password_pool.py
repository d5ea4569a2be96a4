"""The pool for password hashes, shared by users and networks."""

import hashlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from issuer.background.workers import MAX_SECONDS, WorkerPool
from issuer.clock import Clock
from issuer.errors import Unavailable
from issuer.fields.usernames import fold_username
from issuer.rate_limits.limits import RateLimits
from issuer.rate_limits.request_limits import ClientQueues, ConcurrencyLimit
from issuer.telemetry.metrics import NO_METRICS, PASSWORDS, Metrics

_MAX_WAITING = 32
_MAX_NAME = 1_024  # longer ones are of no user

T = TypeVar("T")


def user_key(username: str) -> str:
    """The key of a user for `PasswordPool`, whether or not the user exists."""
    return f"name {fold_username(username[:_MAX_NAME])}"


def always(_: object) -> bool:
    """For the hash of a new password, which somebody who may set it asks for."""
    return True


def never(_: object) -> bool:
    """For results that cannot be wrong, such as the hash of a new password."""
    return False


class PasswordPool:
    """Hashes passwords in the threads of `pool`. For the event loop only.

    No user and no network can block it: of a user one hash runs at a time, and from one network
    as many as there are threads. After each, the next one of the user from that network waits for
    as long as it took. Others wait in order of arrival. Right passwords are limited as well as
    wrong ones.

    A user is a name as somebody typed it, so that limits do not reveal which users exist.
    """

    def __init__(
        self, pool: WorkerPool, limits: RateLimits, clock: Clock, metrics: Metrics = NO_METRICS
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._clock = clock
        self._at_network = ClientQueues(clock, _MAX_WAITING, limit=PASSWORDS, metrics=metrics)
        self._of_user = ConcurrencyLimit(1)
        self._of_network = ConcurrencyLimit(pool.workers, 4 * _MAX_WAITING)

    async def run(
        self,
        user: str,
        network: str,
        function: Callable[[], T],
        *,
        is_right: Callable[[T], bool] = always,
        is_wrong: Callable[[T], bool] = never,
    ) -> T:
        """The result of `function`, counted for the user and the network if right or wrong.

        `is_right` is true of a verified password only: others could use up what the user may.
        `TooManyRequests` before it runs, beyond a limit, whatever the password: whoever guesses
        learns nothing. `Unavailable` after too long.
        """
        arrived_at = self._clock.monotonic()
        # A key of bounded length, which does not name the user in Redis.
        user = hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest()

        run: Callable[[], Awaitable[T]] = partial(self._pool.run, function)
        for limit, key, counts in (
            (self._limits.failures, network, is_wrong),
            (self._limits.passwords_of_network, network, is_right),
            (self._limits.passwords_of_user, user, is_right),
        ):
            if limit is not None:
                run = partial(limit.run, key, run, counts=counts)

        async def in_turn() -> T:
            async with self._of_user.slot(user), self._of_network.slot(network):
                if self._clock.monotonic() - arrived_at > MAX_SECONDS:
                    raise Unavailable("Too many passwords of one address or user are waiting.")
                return await run()

        return await self._at_network.run(f"{user} {network}", in_turn)

    async def check(
        self, network: str, function: Callable[[], T], *, is_wrong: Callable[[T], bool]
    ) -> T:
        """The result of a check that hashes nothing, such as that of a code."""
        return await self.run_limited(network, partial(self._pool.run, function), is_wrong=is_wrong)

    async def run_limited(
        self, network: str, run: Callable[[], Awaitable[T]], *, is_wrong: Callable[[T], bool]
    ) -> T:
        """The result of `run`, which uses no thread of the pool, counted if wrong."""
        failures = self._limits.failures
        return await (failures.run(network, run, counts=is_wrong) if failures else run())
