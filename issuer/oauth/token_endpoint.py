"""The token endpoint (RFC 6749 §3.2): parse → authenticate → authorize → issue → audit → answer."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from secrets import token_bytes

from starlette.requests import ClientDisconnect, Request

from issuer.audit import Actor, Event
from issuer.directory import Directory
from issuer.dpop import DPoPError, Proof, SentProof
from issuer.errors import TooManyRequests, Unavailable
from issuer.http.requests import caller, values_of
from issuer.oauth import messages
from issuer.oauth.authorization_server import IssuerAuthorizationServer
from issuer.oauth.endpoint import EndpointParts
from issuer.oauth.grants import Grant, Granted, presented_username
from issuer.refresh_tokens import TokenToStore
from issuer.telemetry.logs import note_client
from issuer.telemetry.metrics import Metrics
from issuer.telemetry.tracing import Tracing
from issuer.tokens.issuing import AccessToken, RevokedUntil, TokenTooLarge
from issuer.users.guard import waiting_for_others
from issuer.values import value
from issuer.vocabulary import ErrorCode

_MAX_WAITS = 2
_MAX_WAIT = 3.0  # seconds
# Of form and credentials of a cached request. A longer one is authorized each time, and never
# hashed before its client is authenticated.
_MAX_CACHED_BYTES = 1_024


@value
class IssuedToken:
    """A signed token, to be sent once it is audited; one that was stored already is."""

    granted: Granted
    access_token: AccessToken
    actor: Actor
    at: datetime
    proof: Proof | None
    is_audited: bool = False
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)

    def to_store(self) -> TokenToStore:
        """The token, for what is stored with it."""
        details = issued_details(self.granted, self.access_token)
        return TokenToStore(self.access_token, self.actor, details)

    def with_refresh_token(
        self, refresh_token: str | RevokedUntil | None
    ) -> "IssuedToken | RevokedUntil":
        """With the refresh token that was stored with it, if there is one."""
        if isinstance(refresh_token, RevokedUntil):
            return refresh_token
        return replace(self, is_audited=True, refresh_token=refresh_token)


@dataclass(eq=False, repr=False)
class TokenEndpoint:
    """`POST /oauth2/token`. No token is sent before its audit event is durable."""

    _parts: EndpointParts
    _server: IssuerAuthorizationServer
    _metrics: Metrics
    _tracing: Tracing

    def __post_init__(self) -> None:
        self._tokens = self._parts.tokens
        self._cache = GrantedCache(self._tokens.directory)

    async def __call__(self, http_request: Request) -> messages.OAuthResponse:
        arrived_at = self._parts.clock.monotonic()
        try:
            answer = await self._parts.available(http_request, self._answer)
        except ClientDisconnect:
            raise
        except Exception:
            self._metrics.token_refused(ErrorCode.SERVER_ERROR)
            raise
        self._metrics.token_request_took(amount=self._parts.clock.monotonic() - arrived_at)
        if (error := answer.error) is not None and not error.is_pending:
            self._metrics.token_refused(error.label)
            await self._parts.log_refusal(http_request, "token_refused", error, arrived_at)
        return answer

    async def _answer(self, http_request: Request) -> messages.OAuthResponse:
        """Parse, authenticate, authorize, issue, audit. A refusal is audited as well."""
        actor = caller(http_request)
        try:
            with self._tracing.span("parse"):
                form = await messages.receive_form(http_request, actor)
            fingerprint = self._cache.fingerprint(form)
            proof, issued = None, None
            if (granted := self._cache.find(fingerprint, self._parts.clock())) is not None:
                actor = actor.known_as(granted.client.client_id)
                proof = self._check_proof(http_request, form)
                issued = await self._issue_again(granted, proof, actor)
            if issued is None:
                request = messages.parse_form(form)
                grant = self._server.grant_of(request)
                authenticated = await self._authenticate(grant, request)
                actor = authenticated.actor
                if (requests := self._parts.checks.limits.requests) is not None:
                    await requests.count(authenticated.client.client_id)
                if granted is None:
                    proof = self._check_proof(http_request, form)
                if proof is not None:
                    await self._use_early(grant, proof)
                    authenticated = replace(authenticated, proof=proof)
                issued = await self._issue(grant, authenticated, fingerprint)
        except DPoPError as error:
            refusal = messages.ProofRefused(error)
            return await self._parts.refuse("token.refused", refusal, actor)
        except (messages.OAuthError, TooManyRequests) as error:
            return await self._parts.refuse("token.refused", error, actor)
        self._tokens.last_use.note_token(issued.granted.client, issued.at)
        self._metrics.token_issued(issued.granted.grant_type)
        return messages.OAuthResponse.issuing(
            issued.access_token,
            issued.refresh_token,
            issued.id_token,
            issued.granted.issued_token_type,
            self._tokens.proofs.next_nonce if form.proofs else None,
        )

    async def _authenticate(
        self, grant: Grant, request: messages.ParsedRequest, *, again: bool = False
    ) -> messages.AuthenticatedRequest:
        """By its credentials, or by what the grant presents."""
        with self._tracing.span("authenticate"):
            if grant.queries and grant.authenticates(request):
                return await self._parts.checks.authenticate_by_grant(request, again=again)
            return await self._parts.checks.authenticate(request, again=again)

    def _check_proof(self, http_request: Request, form: messages.ReceivedForm) -> Proof | None:
        """The proof of a request whose client is known (RFC 9449 §5), not yet used.

        None without one; `DPoPError` says which check failed.
        """
        if not form.proofs:
            return None
        with self._tracing.span("prove"):
            return self._tokens.proofs.check(SentProof.of(http_request.scope))

    async def _use_early(self, grant: Grant, proof: Proof) -> None:
        """Use the proof before a grant that does more than decide; else with the audit event."""
        if (grant.queries or grant.hashes_passwords) and not proof.is_used:
            await self._tokens.proofs.use(proof)

    async def _issue_again(
        self, granted: Granted, proof: Proof | None, actor: Actor
    ) -> IssuedToken | None:
        """A token for a cached grant; None if the request must be authorized again."""
        if granted.authorization.jkt != (proof.jkt if proof else None):
            return None
        now = self._parts.clock()
        note_client(granted.client.client_id)
        self._tokens.last_use.note(granted.secret, now, actor.address)
        outcome = await self._audit(self._sign(granted, actor, now, proof))
        return outcome if isinstance(outcome, IssuedToken) else None

    async def _issue(
        self, grant: Grant, request: messages.AuthenticatedRequest, fingerprint: bytes | None
    ) -> IssuedToken:
        """A token for what the grant allows.

        If all earlier tokens were revoked a moment ago, the request waits for the first second in
        which a new token is valid; then it is authenticated and authorized again.
        """
        outcome = await self._attempt(grant, request)
        for _ in range(_MAX_WAITS):
            if isinstance(outcome, IssuedToken):
                break
            await self._wait_until(outcome.instant)
            retried = await self._authenticate(grant, request.parsed, again=True)
            request = replace(retried, proof=request.proof)
            outcome = await self._attempt(grant, request)
        if isinstance(outcome, RevokedUntil):
            raise Unavailable("The tokens of the client, user or audience are being revoked.")
        is_counted = self._parts.checks.limits.requests is not None
        if not (grant.hashes_passwords or grant.queries or is_counted):
            self._cache.add(fingerprint, outcome.granted)
        return outcome

    async def _attempt(
        self, grant: Grant, request: messages.AuthenticatedRequest
    ) -> IssuedToken | RevokedUntil:
        """On the event loop if the grant is decided from memory, else in a worker pool."""
        if grant.hashes_passwords:
            outcome = await self._sign_in(request)
        elif not grant.queries:
            outcome = self._authorize(request)
        elif (looked_up := await grant.look_up(request, self._parts.queries)) is not None:
            outcome = self._authorize(looked_up)
        else:  # outside the failure limit: a refresh token cannot be guessed
            outcome = await self._parts.queries.run(self._authorize, request)
        return await self._audit(outcome)

    async def _sign_in(self, request: messages.AuthenticatedRequest) -> IssuedToken | RevokedUntil:
        """Wait while other attempts in progress decide whether this password may be tried."""
        form, username = request.parsed.form, presented_username(request)

        def check(attempt: messages.PasswordAttempt) -> IssuedToken | RevokedUntil:
            return self._authorize(replace(request, attempt=attempt))

        async def attempt(may_wait: bool) -> IssuedToken | RevokedUntil:
            return await self._parts.checks.password(
                form, username, check, messages.PasswordAttempt(may_wait)
            )

        return await waiting_for_others(self._parts.clock, attempt)

    def _authorize(self, request: messages.AuthenticatedRequest) -> IssuedToken | RevokedUntil:
        with self._tracing.span("authorize"):
            granted = self._server.authorize(request)
        return self._sign(granted, request.actor, self._parts.clock(), request.proof)

    def _sign(
        self, granted: Granted, actor: Actor, now: datetime, proof: Proof | None
    ) -> IssuedToken | RevokedUntil:
        """The token, stored and audited if something else is stored with it."""
        try:
            with self._tracing.span("issue"):
                token = self._tokens.issuer.issue(granted.authorization, now)
        except TokenTooLarge as error:
            raise messages.invalid_request(messages.quote(str(error))) from None
        if isinstance(token, RevokedUntil):
            return token
        issued = IssuedToken(granted, token, actor, now, proof)
        if granted.authentication is not None:
            parts = (granted.authorization, token, granted.authentication, now)
            issued = replace(issued, id_token=self._tokens.issuer.id_token(*parts))
        if granted.store is None:
            return issued
        return issued.with_refresh_token(granted.store(issued.to_store()))

    async def _audit(self, outcome: IssuedToken | RevokedUntil) -> IssuedToken | RevokedUntil:
        """The token, once its audit event is durable; `RevokedUntil` if it was revoked meanwhile.

        Another process may have revoked it a moment ago: the commit of the event returns the count
        of the feed. What was stored was audited and checked in the same transaction.
        """
        if isinstance(outcome, RevokedUntil) or outcome.is_audited:
            return outcome
        if (store := outcome.granted.store_together) is not None:
            with self._tracing.span("audit"):
                return outcome.with_refresh_token(await store(outcome.to_store()))
        token, granted = outcome.access_token, outcome.granted
        subject, details = granted.authorization.subject, issued_details(granted, token)
        event = Event(outcome.at, outcome.actor, "token.issued", subject, details=details)
        with self._tracing.span("audit"):
            if outcome.proof is None or outcome.proof.is_used:
                feed_count = await self._parts.audit.record(event)
            else:
                feed_count = await self._tokens.proofs.use(outcome.proof, event)
        if not self._tokens.issuer.has_seen(feed_count):
            await self._parts.queries.run(self._tokens.changes.poll_feed, feed_count)
        return self._tokens.issuer.revoked_until(token, granted.authorization) or outcome

    async def _wait_until(self, instant: datetime) -> None:
        """`Unavailable` if that is far off: then a clock is wrong, and waiting does not help."""
        if (wait := (instant - self._parts.clock()).total_seconds()) > _MAX_WAIT:
            raise Unavailable(
                "The clocks of the processes differ: a token issued now would be revoked."
            )
        await self._parts.clock.sleep(max(0, wait))


def issued_details(granted: Granted, token: AccessToken) -> dict[str, object]:
    """What the audit log says of an issued token."""
    audience = granted.authorization.audience.id
    details = {"grant_type": granted.grant_type, **token.details(audience), **granted.details}
    if granted.assertion is not None:
        details["assertion"] = granted.assertion.details
    return details


class GrantedCache:
    """The last request of each client, as a keyed hash, and what it was granted.

    A service sends the same bytes each time it needs a token. An entry is valid until the directory
    drops the client, as it does at every change, or the secret expires. Only for grants decided
    from memory: they depend on nothing else. A token that is bound to a key is cached under the
    header of its proof, which holds the key.
    """

    def __init__(self, directory: Directory, max_entries: int = 100_000) -> None:
        self._directory = directory
        self._max_entries = max_entries
        self._key = token_bytes(32)
        self._granted: dict[bytes, Granted] = {}
        self._last_of: dict[str, bytes] = {}

    def fingerprint(self, form: messages.ReceivedForm) -> bytes | None:
        """A keyed hash of all that the grant depends on: credentials, form, and key."""
        credentials = values_of(form.headers, b"authorization")
        if form.proofs:
            credentials += [proof.partition(b".")[0] for proof in form.proofs]
        if len(form.body) + sum(map(len, credentials)) > _MAX_CACHED_BYTES:
            return None
        # `repr` separates the parts unambiguously.
        text = repr((credentials, form.body))
        return blake2b(text.encode(), key=self._key, digest_size=32).digest()

    def find(self, fingerprint: bytes | None, now: datetime) -> Granted | None:
        """What the same request was granted, if that is still valid at `now`."""
        granted = self._granted.get(fingerprint) if fingerprint else None
        if granted is None or granted.secret is None or not granted.secret.is_live(now):
            return None
        remembered = self._directory.remembered_client(granted.client.client_id)
        return granted if remembered is granted.client else None

    def add(self, fingerprint: bytes | None, granted: Granted) -> None:
        """Add it in place of the client's earlier request. An assertion is good for one request."""
        if granted.secret is None or fingerprint is None:
            return
        if len(self._granted) >= self._max_entries:
            self._granted.clear()
            self._last_of.clear()
        client_id = granted.client.client_id
        self._granted.pop(self._last_of.get(client_id, b""), None)
        self._granted[fingerprint], self._last_of[client_id] = granted, fingerprint
