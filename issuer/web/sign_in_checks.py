"""Checking what people type, under the same limits as the password grant."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request

from issuer.audit import AuditWriter, Event, RefusalAggregator
from issuer.audit.chain_store import Outcome
from issuer.clock import Clock
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import InvalidCredentials, TooManyRequests
from issuer.fields.networks import network_of
from issuer.http.requests import caller, delay_refusal
from issuer.rate_limits.password_pool import PasswordPool, user_key
from issuer.telemetry.logs import get_logger
from issuer.telemetry.metrics import (
    PROVIDER,
    REFUSED,
    SUCCEEDED,
    TOO_MANY_REQUESTS,
    UNAVAILABLE,
    Metrics,
)
from issuer.users.guard import waiting_for_others

T = TypeVar("T")

log = get_logger(__name__)


@dataclass(frozen=True)
class SignInChecks:
    """Runs checks in the pool for passwords. A refusal is audited, logged and sent on time."""

    _pool: PasswordPool
    _audit: AuditWriter
    _gathered: RefusalAggregator
    _clock: Clock
    _metrics: Metrics

    async def run(
        self,
        request: Request,
        method: str,
        check: Callable[[bool], T],
        *,
        username: str | None = None,
    ) -> T:
        """`check(may_wait)`; `InvalidCredentials`, or `TooManyRequests` before it ran.

        `method` is one of those that are counted: password, passkey, code, device. `username` if it
        hashes a password.
        """
        arrived_at = self._clock.monotonic()
        network = network_of(caller(request).address)

        async def attempt(may_wait: bool) -> T | InvalidCredentials:
            run = partial(_outcome, check, may_wait)
            if username is None:
                return await self._pool.check(network, run, is_wrong=_is_wrong)
            return await self._pool.run(
                user_key(username),
                network,
                run,
                is_right=lambda result: not _is_wrong(result),
                is_wrong=_is_wrong,
            )

        try:
            run = partial(waiting_for_others, self._clock, attempt)
            return await self._note(request, method, run)
        except (InvalidCredentials, TooManyRequests):
            await delay_refusal(self._clock, arrived_at)
            raise

    async def elsewhere(
        self, request: Request, issuer_id: str, check: Callable[[], Awaitable[T]]
    ) -> T:
        """What `check` gives, which asks a trusted issuer; under the limit of wrong credentials.

        `InvalidCredentials`, or `TooManyRequests` before it ran, which are audited.
        """

        async def attempt() -> T | InvalidCredentials:
            try:
                return await check()
            except InvalidCredentials as error:
                return error

        network = network_of(caller(request).address)
        run = partial(self._pool.run_limited, network, attempt, is_wrong=_is_wrong)
        return await self._note(request, PROVIDER, run, trusted_issuer=issuer_id)

    def unavailable(self, issuer: TrustedIssuerRecord, reason: str) -> None:
        """Count and log that a trusted issuer cannot be asked. Another exception ends its check."""
        self._metrics.sign_in_checked(PROVIDER, UNAVAILABLE)
        log.warning("provider_unavailable", trusted_issuer=issuer.id, reason=reason)

    async def _note(
        self,
        request: Request,
        method: str,
        run: Callable[[], Awaitable[T | InvalidCredentials]],
        **details: Any,
    ) -> T:
        """What the check gives; counted and, if it is a refusal, audited and logged."""
        try:
            result = await run()
        except TooManyRequests as error:
            self._gathered.note(self._event(request, str(error), None))
            self._metrics.sign_in_checked(method, TOO_MANY_REQUESTS)
            log.info("sign_in_refused", reason=str(error), **details)
            raise
        if isinstance(result, InvalidCredentials):
            event = self._event(request, result.reason, result.subject)
            await self._audit.record(replace(event, details=details))
            log.info("sign_in_refused", reason=result.reason, **details)
            self._metrics.sign_in_checked(method, REFUSED)
            raise result
        self._metrics.sign_in_checked(method, SUCCEEDED)
        return result

    async def hash(self, request: Request, username: str, function: Callable[[], T]) -> T:
        """Hash a new password; `TooManyRequests` before that."""
        arrived_at = self._clock.monotonic()
        try:
            network = network_of(caller(request).address)
            return await self._pool.run(user_key(username), network, function)
        except TooManyRequests as error:
            log.info("password_refused", reason=str(error))
            await delay_refusal(self._clock, arrived_at)
            raise

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
