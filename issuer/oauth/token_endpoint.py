"""The token endpoint (RFC 6749 §3.2): parse → authenticate → authorize → issue → audit → answer."""

from dataclasses import dataclass, replace
from datetime import datetime

from authlib.oauth2 import OAuth2Error
from starlette.requests import ClientDisconnect, Request

from issuer.audit import Actor, AuditWriter
from issuer.errors import Unavailable
from issuer.http.requests import caller
from issuer.oauth.audit_events import issue_of, issued_event
from issuer.oauth.endpoint_parts import EndpointParts
from issuer.oauth.errors import OAuthError, quoted, unavailable
from issuer.oauth.granted_cache import GrantedCache
from issuer.oauth.grants import Grant, Granted, presented_username
from issuer.oauth.request import (
    AuthenticatedRequest,
    PasswordAttempt,
    ReceivedForm,
    parse_form,
    receive_form,
)
from issuer.oauth.responses import OAuthResponse
from issuer.telemetry.logs import note_client
from issuer.telemetry.metrics import TOO_MANY_REQUESTS, Metrics
from issuer.telemetry.tracing import Tracing
from issuer.tokens import AccessToken, RevokedUntil, TokenTooLarge
from issuer.users import waiting_for_others
from issuer.vocabulary import ErrorCode

_MAX_WAITS = 2
_MAX_WAIT = 3.0  # seconds


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A signed token, to be sent once it is audited; one that was stored already is."""

    granted: Granted
    access_token: AccessToken
    actor: Actor
    at: datetime
    is_audited: bool = False
    refresh_token: str | None = None
    id_token: str | None = None


class TokenEndpoint:
    """`POST /oauth2/token`. No token is sent before its audit event is durable."""

    def __init__(
        self,
        parts: EndpointParts,
        audit_writer: AuditWriter,
        metrics: Metrics,
        tracing: Tracing,
    ) -> None:
        self._clock = parts.clock
        self._issuer = parts.tokens.issuer
        self._changes = parts.tokens.changes
        self._last_use = parts.tokens.last_use
        self._cache = GrantedCache(parts.tokens.directory)
        self._server = parts.server
        self._checks = parts.checks
        self._receive = tracing.step("parse", receive_form)
        self._authenticate = tracing.step("authenticate", parts.checks.authenticate)
        self._authorize = tracing.step("authorize", parts.server.authorize)
        self._sign = tracing.step("issue", parts.tokens.issuer.issue)
        self._record = tracing.step("audit", audit_writer.record)
        self._refusals = parts.refusals
        self._rounds = parts.rounds
        self._queries = parts.queries
        self._metrics = metrics

    async def __call__(self, http_request: Request) -> OAuthResponse:
        arrived_at = self._clock.monotonic()
        answer = await self._measured(http_request, arrived_at)
        if answer.error is not None:
            await self._refusals.log("token_refused", answer.error, arrived_at)
            await self._rounds.pace(answer.status, caller(http_request).address)
        return answer

    async def _answer(self, http_request: Request) -> OAuthResponse:
        """Parse, authenticate, authorize, issue. A refusal is audited as well."""
        actor = caller(http_request)
        try:
            form = await self._receive(http_request)
            issued = await self._issue_again(form)
            if issued is None:
                request = parse_form(form)
                grant = self._server.grant_of(request)
                authenticated = await self._authenticate(request)
                actor = authenticated.actor
                await self._checks.count(authenticated)
                issued = await self._issue(grant, authenticated)
        except OAuth2Error as error:
            await self._refusals.audit("token.refused", error, actor)
            return OAuthResponse.refusing(error)
        self._last_use.note_token(issued.granted.client, issued.at)
        self._metrics.token_issued(issued.granted.grant_type)
        return OAuthResponse.issuing(issued.access_token, issued.refresh_token, issued.id_token)

    async def _issue_again(self, form: ReceivedForm) -> IssuedToken | None:
        """A token for a cached grant; None if the request must be authorized again."""
        now = self._clock()
        if (granted := self._cache.find(form, now)) is None:
            return None
        note_client(granted.client.client_id)
        self._last_use.note(granted.secret, now, form.actor.address)
        actor = form.actor.known_as(granted.client.client_id)
        outcome = await self._audited(self._issue_granted(granted, actor, now))
        return outcome if isinstance(outcome, IssuedToken) else None

    async def _issue(self, grant: type[Grant], request: AuthenticatedRequest) -> IssuedToken:
        """A token for what the grant allows.

        If all earlier tokens were revoked a moment ago, the request waits for the first second in
        which a new token is valid; then it is authenticated and authorized again.
        """
        outcome = await self._attempt(grant, request)
        for _ in range(_MAX_WAITS):
            if isinstance(outcome, IssuedToken):
                break
            await self._wait_until(outcome.instant)
            request = await self._authenticate(request.parsed, again=True)
            outcome = await self._attempt(grant, request)
        if isinstance(outcome, RevokedUntil):
            raise Unavailable("The tokens of the client, user or audience are being revoked.")
        if self._is_cacheable(grant):
            self._cache.add(request.parsed.form, outcome.granted)
        return outcome

    async def _attempt(
        self, grant: type[Grant], request: AuthenticatedRequest
    ) -> IssuedToken | RevokedUntil:
        """On the event loop if the grant is decided from memory, else in a worker pool."""
        if grant.hashes_passwords:
            outcome = await self._sign_in(request)
        elif grant.queries:  # outside the failure limit: a refresh token cannot be guessed
            outcome = await self._queries.run(self._authorize_and_issue, request)
        else:
            outcome = self._authorize_and_issue(request)
        return await self._audited(outcome)

    async def _sign_in(self, request: AuthenticatedRequest) -> IssuedToken | RevokedUntil:
        """Wait while other attempts in progress decide whether this password may be tried."""
        form, username = request.parsed.form, presented_username(request)

        def check(attempt: PasswordAttempt) -> IssuedToken | RevokedUntil:
            return self._authorize_and_issue(replace(request, attempt=attempt))

        async def attempt(may_wait: bool) -> IssuedToken | RevokedUntil:
            return await self._checks.password(form, username, check, PasswordAttempt(may_wait))

        return await waiting_for_others(self._clock, attempt)

    def _authorize_and_issue(self, request: AuthenticatedRequest) -> IssuedToken | RevokedUntil:
        return self._issue_granted(self._authorize(request), request.actor, self._clock())

    def _issue_granted(
        self, granted: Granted, actor: Actor, now: datetime
    ) -> IssuedToken | RevokedUntil:
        try:
            token = self._sign(granted.authorization, now)
        except TokenTooLarge as error:
            raise OAuthError(ErrorCode.INVALID_REQUEST, quoted(str(error))) from None
        if isinstance(token, RevokedUntil):
            return token
        issued = IssuedToken(granted, token, actor, now)
        if granted.authentication is not None:
            parts = (granted.authorization, token, granted.authentication, now)
            issued = replace(issued, id_token=self._issuer.id_token(*parts))
        if granted.store is None:
            return issued
        stored = granted.store(issue_of(granted, token, actor))
        if isinstance(stored, RevokedUntil):
            return stored
        return replace(issued, is_audited=True, refresh_token=stored)

    async def _audited(self, outcome: IssuedToken | RevokedUntil) -> IssuedToken | RevokedUntil:
        """The token, once its audit event is durable; `RevokedUntil` if it was revoked meanwhile.

        Another process may have revoked it a moment ago: the commit of the event returns the count
        of the feed. What was stored was audited and checked in the same transaction.
        """
        if isinstance(outcome, RevokedUntil) or outcome.is_audited:
            return outcome
        token, granted = outcome.access_token, outcome.granted
        feed_count = await self._record(issued_event(granted, token, outcome.actor, outcome.at))
        if not self._issuer.has_seen(feed_count):
            await self._queries.run(self._changes.look_for_feed, feed_count)
        return self._issuer.revoked_until(token, granted.authorization) or outcome

    def _is_cacheable(self, grant: type[Grant]) -> bool:
        return not (grant.hashes_passwords or grant.queries or self._checks.counts_requests)

    async def _wait_until(self, instant: datetime) -> None:
        """`Unavailable` if that is far off: then a clock is wrong, and waiting does not help."""
        wait = (instant - self._clock()).total_seconds()
        if wait > _MAX_WAIT:
            raise Unavailable(
                "The clocks of the processes differ: a token issued now would be revoked."
            )
        await self._clock.sleep(max(0, wait))

    async def _measured(self, http_request: Request, arrived_at: float) -> OAuthResponse:
        try:
            answer = await self._available(http_request)
        except ClientDisconnect:
            raise
        except Exception:
            self._metrics.token_refused(ErrorCode.SERVER_ERROR)
            raise
        self._metrics.token_request_took(self._clock.monotonic() - arrived_at)
        if answer.error is not None:
            label = TOO_MANY_REQUESTS if answer.is_too_many_requests else answer.error.error
            self._metrics.token_refused(label)
        return answer

    async def _available(self, http_request: Request) -> OAuthResponse:
        """503 under overload, and while the database is unavailable."""
        try:
            self._rounds.require_time()
            self._changes.require_current()
            return await self._answer(http_request)
        except Unavailable as error:
            return OAuthResponse.refusing(unavailable(error))
