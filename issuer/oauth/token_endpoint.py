"""The token endpoint (RFC 6749 §3.2): from a request to an answer that is on record."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import structlog
from authlib.oauth2 import OAuth2Error
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from issuer.audit import Event, Outcome
from issuer.clients.authentication import NeedsDatabase
from issuer.clients.secrets import PREFIX
from issuer.errors import Unavailable
from issuer.fields import is_principal_id
from issuer.http import caller
from issuer.metrics import Metrics
from issuer.oauth.authorization_server import Answer, IssuerAuthorizationServer
from issuer.oauth.errors import OAuthError, unavailable
from issuer.oauth.request import ProtocolRequest, read_request
from issuer.services import Services
from issuer.tokens import BornDead
from issuer.vocabulary import ErrorCode
from issuer.workers import WorkerPool

# A known client takes some queries more than an unknown one. Both answers leave at a full beat
# after the request came, which is longer than either takes on a machine that is not overloaded.
_ANSWERED_ON_THE_BEAT = {ErrorCode.INVALID_CLIENT.value}
_BEAT = 0.03  # seconds

# Of a client or user whose tokens were just revoked.
_MOST_WAITS = 2
_LONGEST_WAIT = 3.0  # seconds

T = TypeVar("T")

log = structlog.get_logger(__name__)


class TokenEndpoint:
    """`POST /oauth2/token`. No token leaves before its record is durable."""

    def __init__(
        self,
        services: Services,
        server: IssuerAuthorizationServer,
        queries: WorkerPool,
        passwords: WorkerPool,
        metrics: Metrics,
    ) -> None:
        self._services = services
        self._server = server
        self._queries = queries
        self._passwords = passwords
        self._metrics = metrics

    async def __call__(self, request: Request) -> Response:
        arrived_at = self._services.clock.monotonic()
        answer = await self._measured_answer(request, arrived_at)
        if answer.refusal is not None:
            _log_refusal(answer.refusal)
            if answer.refusal.error in _ANSWERED_ON_THE_BEAT:
                elapsed = self._services.clock.monotonic() - arrived_at
                await asyncio.sleep(_BEAT - elapsed % _BEAT)
        return JSONResponse(answer.body, answer.status, headers=dict(answer.headers))

    async def _measured_answer(self, request: Request, arrived_at: float) -> Answer:
        try:
            answer = await self._recorded_answer(request)
        except ClientDisconnect:
            raise
        except Exception:
            self._metrics.token_refused(ErrorCode.SERVER_ERROR)
            raise
        self._metrics.token_request_took(self._services.clock.monotonic() - arrived_at)
        if answer.refusal is not None:
            self._metrics.token_refused(answer.refusal.error)
        return answer

    async def _recorded_answer(self, request: Request) -> Answer:
        parsed: ProtocolRequest | None = None
        try:
            self._services.changes.require_current()
            try:
                parsed = await read_request(request)
                parsed, answer = await self._living_answer(parsed)
            except OAuth2Error as error:
                answer = self._server.refuse(error)
            event = self._event(request, parsed, answer)
            if parsed is not None and parsed.secret is not None:
                self._services.last_use.note(parsed.secret.id, event.at, event.actor.address)
            await self._services.audit.record(event)
            if parsed is not None and parsed.issued is not None:
                self._metrics.token_issued(parsed.payload.grant_type)
        except Unavailable as error:
            return self._server.refuse(unavailable(error))
        return answer

    async def _living_answer(self, request: ProtocolRequest) -> tuple[ProtocolRequest, Answer]:
        """The answer, and the request that it is to.

        Whose tokens so far were revoked a moment ago waits for the second in which they may have
        new ones; then everything is looked up and checked anew.
        """
        for _ in range(_MOST_WAITS):
            try:
                return request, await self._answer(request)
            except BornDead as error:
                await self._wait_for(error.from_)
                request = request.again()
        try:
            return request, await self._answer(request)
        except BornDead as error:
            raise Unavailable(str(error)) from None

    async def _wait_for(self, instant: datetime) -> None:
        """`Unavailable` if that is far off: a clock of ours is, and nobody waits for it here."""
        wait = (instant - self._services.clock()).total_seconds()
        if wait > _LONGEST_WAIT:
            raise Unavailable("A clock is ahead: what is issued now would be revoked.")
        await self._services.clock.sleep(max(0, wait))

    async def _answer(self, request: ProtocolRequest) -> Answer:
        """From memory, on the event loop, where that is possible; from a pool where it is not."""
        grant = self._server.grants.get(request.payload.grant_type or "")
        if grant is None or not grant.hashes_passwords:
            return await self._from_memory_or_query(self._server.create_token_response, request)
        # Who is nobody's client must not take the place of those who sign in.
        refused = await self._from_memory_or_query(self._server.refuse_stranger, request)
        if refused is not None:
            return refused
        answer: Answer = await self._passwords.run(self._server.create_token_response, request)
        return answer

    async def _from_memory_or_query(
        self, step: Callable[[ProtocolRequest], T], request: ProtocolRequest
    ) -> T:
        try:
            return step(request)
        except NeedsDatabase:
            request.may_query = True
            return await self._queries.run(step, request)

    def _event(self, request: Request, parsed: ProtocolRequest | None, answer: Answer) -> Event:
        now = self._services.clock()
        client = parsed.authenticated if parsed else None
        actor = caller(request, client.client_id if client else None)
        if parsed is None or parsed.issued is None or parsed.authorization is None:
            error = answer.refusal
            return Event(
                at=now,
                actor=actor,
                action="token.refused",
                target=(parsed.named_subject if parsed else None) or _claimed_client(parsed),
                outcome=Outcome.REFUSED,
                reason=_reason(error),
                details={"error": error.error if error else ErrorCode.SERVER_ERROR.value},
            )
        return Event(
            at=now,
            actor=actor,
            action="token.issued",
            target=parsed.authorization.subject,
            details={
                "grant_type": parsed.payload.grant_type,
                "audience": parsed.authorization.audience.id,
                "scope": " ".join(parsed.issued.scopes),
                "jti": parsed.issued.jti,
                "kid": parsed.issued.kid,
                "expires_in": int(parsed.issued.lifetime.total_seconds()),
            },
        )


def _claimed_client(parsed: ProtocolRequest | None) -> str | None:
    """Whom an unauthenticated caller says to be, if anybody could be called that.

    People send a secret where the id belongs: that is not put on record.
    """
    claimed = (parsed.claimed_client_id if parsed else None) or ""
    return claimed if is_principal_id(claimed) and PREFIX not in claimed else None


def _reason(error: OAuth2Error | None) -> str | None:
    if error is None:
        return None
    return error.reason if isinstance(error, OAuthError) else str(error.description)


def _log_refusal(error: OAuth2Error) -> None:
    log.info("token_refused", error=error.error, reason=_reason(error))
