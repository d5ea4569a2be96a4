"""The token endpoint (RFC 6749 §3.2): from a request to an answer that is on record."""

from datetime import datetime

from authlib.oauth2 import OAuth2Error
from starlette.requests import ClientDisconnect, Request

from issuer.audit import Event
from issuer.errors import Unavailable
from issuer.http import caller
from issuer.metrics import TOO_MANY_REQUESTS as REFUSED_BY_A_LIMIT
from issuer.metrics import Metrics
from issuer.oauth.authorization_server import Answer, IssuerAuthorizationServer
from issuer.oauth.checking import Checking
from issuer.oauth.errors import unavailable
from issuer.oauth.grants import Grant
from issuer.oauth.overload import Rounds
from issuer.oauth.recording import (
    actor_of,
    issued_event,
    note_use_of_secret,
    put_on_record,
    refused_event,
    tell_refusal,
)
from issuer.oauth.repeated import RepeatedRequests
from issuer.oauth.request import ProtocolRequest, parse_form, receive_form
from issuer.services import Services
from issuer.tokens import BornDead
from issuer.users import AttemptsUnderWay
from issuer.vocabulary import ErrorCode
from issuer.workers import WorkerPool

# For a token of a client, of a user or for an audience whose tokens were just revoked.
_MOST_WAITS = 2
_LONGEST_WAIT = 3.0  # seconds
# For attempts to sign in that are under way: most take some tens of milliseconds.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5)  # seconds


class TokenEndpoint:
    """`POST /oauth2/token`. No token leaves before its record is durable."""

    def __init__(
        self,
        services: Services,
        rounds: Rounds,
        server: IssuerAuthorizationServer,
        checking: Checking,
        queries: WorkerPool,
        passwords: WorkerPool,
        metrics: Metrics,
    ) -> None:
        self._services = services
        self._rounds = rounds
        self._server = server
        self._checking = checking
        self._queries = queries
        self._passwords = passwords
        self._metrics = metrics
        self._repeated = RepeatedRequests(services, metrics)

    async def __call__(self, request: Request) -> Answer:
        arrived_at = self._services.clock.monotonic()
        answer = await self._measured_answer(request, arrived_at)
        if answer.refusal is not None:
            await tell_refusal("token_refused", answer.refusal, arrived_at, self._services)
        return answer

    async def _measured_answer(self, request: Request, arrived_at: float) -> Answer:
        try:
            answer = await self._available_answer(request)
        except ClientDisconnect:
            raise
        except Exception:
            self._metrics.token_refused(ErrorCode.SERVER_ERROR)
            raise
        self._metrics.token_request_took(self._services.clock.monotonic() - arrived_at)
        if answer.refusal is not None:
            told = REFUSED_BY_A_LIMIT if answer.is_of_a_limit else answer.refusal.error
            self._metrics.token_refused(told)
        return answer

    async def _available_answer(self, request: Request) -> Answer:
        try:
            self._rounds.require_time()
            self._services.changes.require_current()
            return await self._recorded_answer(request)
        except Unavailable as error:
            return Answer.refusing(unavailable(error))

    async def _recorded_answer(self, request: Request) -> Answer:
        parsed: ProtocolRequest | None = None
        try:
            form = await receive_form(request)
            if (again := await self._repeated.answer(form)) is not None:
                return again
            parsed = parse_form(form)
            parsed, answer = await self._living_answer(parsed)
        except OAuth2Error as error:
            answer = Answer.refusing(error)
        note_use_of_secret(parsed, self._services)
        if answer.refusal is not None:
            event = self._refused_event(request, parsed, answer.refusal)
            await put_on_record(event, parsed, answer.refusal, self._services)
        elif parsed is not None:
            self._metrics.token_issued(parsed.payload.grant_type)
        return answer

    async def _living_answer(self, request: ProtocolRequest) -> tuple[ProtocolRequest, Answer]:
        """The answer, and the request that it is to.

        Where all tokens so far were revoked a moment ago, who asks waits for the second in which
        there may be new ones; then everything is looked up and checked anew.
        """
        for _ in range(_MOST_WAITS):
            try:
                return request, await self._issued_answer(request)
            except BornDead as error:
                await self._wait_for(error.from_)
                request = request.again()
        try:
            return request, await self._issued_answer(request)
        except BornDead as error:
            raise Unavailable(str(error)) from None

    async def _issued_answer(self, request: ProtocolRequest) -> Answer:
        """The answer; with a token, once its record is durable and nobody had revoked it before.

        Another process may have, a moment ago. The commit of the record tells whether it did:
        `BornDead` then. What is recorded already was checked in that transaction.
        """
        answer = await self._answer(request)
        if answer.refusal is not None or request.issued is None or request.is_recorded:
            return answer
        services, granted = self._services, request.granted
        event = issued_event(services.clock, actor_of(request), granted, request.issued)
        feed_count = await services.audit.record(event)
        if not services.tokens.has_seen(feed_count):
            await self._queries.run(services.changes.look_for_feed, feed_count)
        services.tokens.require_alive(request.issued, granted.authorization)
        return answer

    async def _wait_for(self, instant: datetime) -> None:
        """`Unavailable` if that is far off: a clock of ours is, and nobody waits for it here."""
        wait = (instant - self._services.clock()).total_seconds()
        if wait > _LONGEST_WAIT:
            raise Unavailable("A clock is ahead: what is issued now would be revoked.")
        await self._services.clock.sleep(max(0, wait))

    async def _answer(self, request: ProtocolRequest) -> Answer:
        """From memory, on the event loop, where that is possible; from a pool where it is not."""
        grant = self._server.grants.get(request.payload.grant_type or "")
        pool = self._pool_for(grant) if grant else None
        respond, checking = self._server.create_token_response, self._checking
        # Who is nobody's client must not take the place of those who sign in, nor be counted.
        if pool is not None or (grant is not None and checking.counts_requests):
            refused = await checking.from_memory_or_query(self._server.refuse_stranger, request)
            if refused is not None:
                return refused
            await checking.count_request(request)
        if pool is self._passwords:
            return await self._signed_in(request)
        if pool is not None:  # under no limit of failures: nobody guesses a refresh token
            return await pool.run(respond, request)
        answer = await checking.from_memory_or_query(respond, request)
        if answer.refusal is None and not checking.counts_requests:
            self._repeated.remember(request)
        return answer

    async def _signed_in(self, request: ProtocolRequest) -> Answer:
        """Where a password may be tried or not by how others end, those are waited for."""
        respond, checking = self._server.create_token_response, self._checking
        for pause in _PAUSES:
            try:
                return await checking.in_pool(self._passwords, respond, request)
            except AttemptsUnderWay:
                await self._services.clock.sleep(pause)
        request.may_wait = False
        return await checking.in_pool(self._passwords, respond, request)

    def _pool_for(self, grant: type[Grant]) -> WorkerPool | None:
        """Where the grant runs; None for one that memory alone can decide."""
        if grant.hashes_passwords:
            return self._passwords
        return self._queries if grant.queries else None

    def _refused_event(
        self, request: Request, parsed: ProtocolRequest | None, refusal: OAuth2Error
    ) -> Event:
        actor = actor_of(parsed) if parsed else caller(request)
        return refused_event("token.refused", self._services.clock, actor, parsed, refusal)
