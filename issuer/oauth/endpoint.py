"""What the token, revocation, introspection and registration endpoints share.

Load shedding, and what happens with a refusal: audit event, log line, and when it is sent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from starlette.requests import Request

from issuer.audit import Actor, AuditWriter, Event, RefusalAggregator
from issuer.audit.chain_store import Outcome
from issuer.background.workers import WorkerPool
from issuer.clock import Clock
from issuer.composition.tokens import TokenParts
from issuer.errors import TooManyRequests, Unavailable
from issuer.fields.networks import network_of
from issuer.http.requests import caller, delay_refusal
from issuer.oauth import messages
from issuer.oauth.client_authentication import CredentialChecks
from issuer.rate_limits.request_limits import RefusalPace
from issuer.telemetry.logs import get_logger
from issuer.vocabulary import ErrorCode

_MAX_ITERATION = 0.5  # seconds
Answer: TypeAlias = Callable[[Request], Awaitable[messages.OAuthResponse]]
_SENT_AT_INTERVALS = {
    ErrorCode.INVALID_CLIENT.value,
    ErrorCode.INVALID_GRANT.value,
    ErrorCode.SLOW_DOWN.value,
}

log = get_logger(__name__)


class LoadShedder:
    """How long the event loop has been busy with the requests that arrived together.

    In one iteration of the loop, requests are answered one after the other; those that arrive
    meanwhile wait for the next. If an overloaded server answered all of them, each iteration would
    take longer, and it would recover late.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_at: float | None = None
        self._pace = RefusalPace(clock)

    def require_time(self) -> None:
        """`Unavailable` for a request whose turn comes too late in its iteration: 503 at once."""
        now = self._clock.monotonic()
        if self._began_at is None:
            self._began_at = now
            asyncio.get_running_loop().call_soon(self._end)  # runs in the next iteration
        elif now - self._began_at > _MAX_ITERATION:
            raise Unavailable("More requests came at once than can be answered.")

    async def pace(self, status: int, address: str | None) -> None:
        """Called before a refusal: delays one with status 429 or 503 to a bounded pace."""
        if status in {messages.TOO_MANY_REQUESTS, 503}:
            await self._pace.wait(address)

    def _end(self) -> None:
        self._began_at = None


@dataclass(frozen=True)
class EndpointParts:
    """The objects that the endpoints share, and the steps that they have in common."""

    clock: Clock
    tokens: TokenParts
    checks: CredentialChecks
    audit: AuditWriter
    flood: RefusalAggregator
    shedder: LoadShedder
    queries: WorkerPool

    async def respond(self, request: Request, event: str, answer: Answer) -> messages.OAuthResponse:
        """The answer. A refusal is logged as `event`, and returned when it may be sent."""
        arrived_at = self.clock.monotonic()
        response = await self.available(request, answer)
        if response.error is not None:
            await self.log_refusal(request, event, response.error, arrived_at)
        return response

    async def log_refusal(
        self, request: Request, event: str, error: messages.OAuthError, arrived_at: float
    ) -> None:
        """Log it; return when the response may be sent (`arrived_at`: monotonic clock)."""
        log.info(event, error=error.error, reason=error.reason)
        delayed = error.hides_cause or error.error in _SENT_AT_INTERVALS
        if delayed or error.status == messages.TOO_MANY_REQUESTS:
            await delay_refusal(self.clock, arrived_at)
        await self.shedder.pace(error.status, caller(request).address)

    async def available(self, request: Request, answer: Answer) -> messages.OAuthResponse:
        """The answer; 503 under overload, and while the database is unavailable."""
        try:
            self.shedder.require_time()
            self.tokens.changes.require_current()
            return await answer(request)
        except Unavailable as error:
            return messages.OAuthResponse.refusing(error)

    async def refuse(
        self, action: str, error: messages.OAuthError | TooManyRequests, actor: Actor
    ) -> messages.OAuthResponse:
        """The error response, once the refusal is audited. Those by a rate limit are counted."""
        refusal = messages.as_oauth_error(error)
        # A device asks again and again.
        if refusal.is_pending or refusal.error == ErrorCode.SLOW_DOWN:
            return messages.OAuthResponse.refusing(refusal)
        event = Event(
            at=self.clock(),
            actor=actor,
            action=action,
            target=refusal.target or actor.id,
            outcome=Outcome.REFUSED,
            reason=refusal.reason,
            details={} if isinstance(refusal, messages.NothingDone) else {"error": refusal.error},
        )
        if refusal.status == messages.TOO_MANY_REQUESTS:
            network = replace(actor, address=network_of(actor.address))
            self.flood.note(replace(event, actor=network, target=None))
        else:
            await self.audit.record(event)
        return messages.OAuthResponse.refusing(refusal)
