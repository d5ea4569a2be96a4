"""Where credentials are checked: in memory, or in a pool, which wrong ones reach only so often."""

from collections.abc import Callable
from typing import TypeVar

from issuer.clients.authentication import NeedsDatabase
from issuer.errors import TooManyRequests
from issuer.oauth.authorization_server import Answer
from issuer.oauth.errors import TOO_MANY_REQUESTS, OAuthError
from issuer.oauth.request import ProtocolRequest
from issuer.rates import Limits
from issuer.vocabulary import ErrorCode
from issuer.workers import WorkerPool

_WRONG_CREDENTIALS = {ErrorCode.INVALID_CLIENT.value, ErrorCode.INVALID_GRANT.value}

AnswerOrNone = TypeVar("AnswerOrNone", Answer, Answer | None)


class Checking:
    """Runs the steps of a protocol endpoint that check credentials.

    What memory confirms is under no limit of failures: 256 random bits are not guessed, and a
    client must not suffer from who shares its address. Every other check of an address that
    sent too much is refused before it is made: `OAuthError` with status 429.
    """

    def __init__(self, limits: Limits, queries: WorkerPool) -> None:
        self._limits = limits
        self._queries = queries

    async def from_memory_or_query(
        self, step: Callable[[ProtocolRequest], AnswerOrNone], request: ProtocolRequest
    ) -> AnswerOrNone:
        """On the event loop if memory confirms the client, else in a thread that may query."""
        try:
            return step(request)
        except NeedsDatabase:
            request.may_query = True
            return await self.in_pool(self._queries, step, request)

    async def in_pool(
        self,
        pool: WorkerPool,
        step: Callable[[ProtocolRequest], AnswerOrNone],
        request: ProtocolRequest,
    ) -> AnswerOrNone:
        """In a thread of the pool; refused credentials count against the address."""
        if self._limits.failures is None:
            return await pool.run(step, request)
        try:
            return await self._limits.failures.checked(
                request.network, lambda: pool.run(step, request), is_wrong=_is_wrong
            )
        except TooManyRequests as error:
            raise _refused(error) from None

    async def count_request(self, request: ProtocolRequest) -> None:
        """One more token request of the client, which has authenticated.

        Once, however often it is answered anew.
        """
        if self._limits.requests is None or request.authenticated is None or request.is_counted:
            return
        request.is_counted = True
        try:
            await self._limits.requests.count(request.authenticated.client_id)
        except TooManyRequests as error:
            raise _refused(error) from None

    @property
    def counts_requests(self) -> bool:
        return self._limits.requests is not None


def _is_wrong(answer: Answer | None) -> bool:
    refusal = answer.refusal if answer else None
    return refusal is not None and refusal.error in _WRONG_CREDENTIALS


def _refused(error: TooManyRequests) -> OAuthError:
    return OAuthError(
        ErrorCode.TEMPORARILY_UNAVAILABLE,
        "Too many requests.",
        reason=str(error),
        status=TOO_MANY_REQUESTS,
        retry_after=error.retry_after,
    )
