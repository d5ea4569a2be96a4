"""Checking what people type, under the same limits as the password grant."""

from collections.abc import Callable
from typing import TypeVar

import structlog
from starlette.requests import Request

from issuer.audit import AuditWriter, Event, GatheredRefusals, Outcome
from issuer.clock import Clock
from issuer.errors import InvalidCredentials, TooManyRequests
from issuer.http import at_interval, caller
from issuer.metrics import REFUSED, SUCCEEDED, TOO_MANY_REQUESTS, Metrics
from issuer.network import network_of
from issuer.rate_limits import RateLimits
from issuer.users import waiting_for_others
from issuer.workers import WorkerPool

T = TypeVar("T")

log = structlog.get_logger(__name__)


class SignInChecks:
    """Runs checks in the pool for passwords. A refusal is audited, logged and sent on time."""

    def __init__(
        self,
        pool: WorkerPool,
        limits: RateLimits,
        audit: AuditWriter,
        gathered: GatheredRefusals,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._audit = audit
        self._gathered = gathered
        self._clock = clock
        self._metrics = metrics

    async def checked(self, request: Request, method: str, check: Callable[[bool], T]) -> T:
        """`check(may_wait)`; `InvalidCredentials`, or `TooManyRequests` before it ran.

        `method` is one of those that are counted: password, passkey, code.
        """
        arrived_at = self._clock.monotonic()
        network = network_of(caller(request).address)

        async def attempt(may_wait: bool) -> T | InvalidCredentials:
            async def run() -> T | InvalidCredentials:
                return await self._pool.run(_outcome, check, may_wait)

            if self._limits.failures is None:
                return await run()
            return await self._limits.failures.checked(network, run, is_wrong=_is_wrong)

        try:
            result = await waiting_for_others(self._clock, attempt)
        except TooManyRequests as error:
            event = self._event(request, str(error), None)
            self._gathered.note(event)
            self._metrics.sign_in_checked(method, TOO_MANY_REQUESTS)
            log.info("sign_in_refused", reason=str(error))
            raise
        if isinstance(result, InvalidCredentials):
            await self._audit.record(self._event(request, result.reason, result.subject))
            log.info("sign_in_refused", reason=result.reason)
            self._metrics.sign_in_checked(method, REFUSED)
            await at_interval(self._clock, arrived_at)
            raise result
        self._metrics.sign_in_checked(method, SUCCEEDED)
        return result

    async def run(self, function: Callable[[], T]) -> T:
        """Hash a new password."""
        return await self._pool.run(function)

    def _event(self, request: Request, reason: str, target: str | None) -> Event:
        actor = caller(request)
        return Event(self._clock(), actor, "sign_in.failed", target, Outcome.REFUSED, reason)


def _outcome(check: Callable[[bool], T], may_wait: bool) -> T | InvalidCredentials:
    try:
        return check(may_wait)
    except InvalidCredentials as error:
        return error


def _is_wrong(result: object) -> bool:
    return isinstance(result, InvalidCredentials)
