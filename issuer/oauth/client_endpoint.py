"""Endpoints for authenticated clients: revocation (RFC 7009), device authorization (RFC 8628),
pushed authorization requests (RFC 9126)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

from starlette.requests import Request

from issuer.audit import Actor
from issuer.composition import Administration
from issuer.dpop import DPoPError, SentProof
from issuer.errors import InvalidCredentials, TooManyRequests
from issuer.http.requests import caller
from issuer.oauth import messages
from issuer.oauth.client_authentication import METHODS, Methods
from issuer.oauth.endpoint import EndpointParts
from issuer.rate_limits.request_limits import ClientQueues
from issuer.refresh_tokens import PREFIX
from issuer.revocations.revocations import FeedFull
from issuer.sign_in.authorization_request import PUSHED_VALID_FOR
from issuer.sign_in.device_codes import DeviceCodes
from issuer.sign_in.parameters import InvalidParameter
from issuer.sign_in.validation import Validation
from issuer.tokens.reading import VerifiedToken
from issuer.vocabulary import ErrorCode


@dataclass(eq=False, repr=False)
class ClientEndpoint:
    """Refuses as the token endpoint does. With queues, requests of a client run in turn."""

    name: ClassVar[str]
    path: ClassVar[str]
    methods: ClassVar[Methods]
    is_for_scripts: ClassVar[bool]

    _parts: EndpointParts
    _queues: ClientQueues | None

    def __post_init__(self) -> None:
        self._tokens = self._parts.tokens

    async def __call__(self, http_request: Request) -> messages.OAuthResponse:
        answer = await self._parts.respond(http_request, f"{self.name}_refused", self._answer)
        return replace(answer, is_for_scripts=self.is_for_scripts)

    async def prove(
        self, http_request: Request, request: messages.AuthenticatedRequest
    ) -> messages.AuthenticatedRequest:
        """The request with its proof of possession, where a proof counts; `DPoPError`."""
        return request

    async def answer_from_memory(
        self, request: messages.AuthenticatedRequest
    ) -> messages.OAuthResponse | None:
        """The answer, as `answer` gives it, where it needs no query of its own."""
        return None

    def answer(self, request: messages.AuthenticatedRequest) -> messages.OAuthResponse:
        """The answer; `OAuthError` if it refuses. Its audit event is in the same transaction."""
        raise NotImplementedError

    async def _answer(self, http_request: Request) -> messages.OAuthResponse:
        actor = caller(http_request)
        try:
            request = messages.parse_form(await messages.receive_form(http_request, actor))
            authenticated = await self._parts.checks.authenticate(request, self.methods)
            actor = authenticated.actor
            authenticated = await self.prove(http_request, authenticated)
            if (at_once := await self.answer_from_memory(authenticated)) is not None:
                return at_once

            async def answer() -> messages.OAuthResponse:
                return await self._parts.queries.run(self.answer, authenticated)

            if self._queues is None:
                return await answer()
            return await self._queues.run(authenticated.client.client_id, answer)
        except DPoPError as error:
            refusal = messages.ProofRefused(error)
            return await self._parts.refuse(f"{self.name}.refused", refusal, actor)
        except (messages.OAuthError, TooManyRequests) as error:
            return await self._parts.refuse(f"{self.name}.refused", error, actor)


@dataclass(eq=False, repr=False)
class Revocation(ClientEndpoint):
    """A client revokes a token of its own. A token that is not active is no error (§2.2)."""

    name = "revocation"
    path = "/oauth2/revoke"
    methods = METHODS
    is_for_scripts = True

    _administration: Administration

    def answer(self, request: messages.AuthenticatedRequest) -> messages.OAuthResponse:
        """Durable before the answer. The hint is ignored (§2.1): a token shows its kind."""
        token, client_id = messages.require(request, "token"), request.client.client_id
        if not token.startswith(PREFIX):
            self._revoke_access_token(self._access_token(token, client_id), request.actor)
        elif not self._tokens.refresh_tokens.revoke(token, client_id, request.actor):
            # The same for a token of another client: the caller must not learn that it is active.
            raise messages.NothingDone("no active refresh token of the client")
        return messages.OAuthResponse(200, {})

    def _revoke_access_token(self, token: VerifiedToken, actor: Actor) -> None:
        try:
            with self._administration.changing(actor) as work:
                work.token_revocations.revoke_own(token)
        except FeedFull as error:  # RFC 7009 §2.2.1: the token still exists
            raise messages.OAuthError(
                ErrorCode.TEMPORARILY_UNAVAILABLE,
                "Not revoked: the revocation feed cannot list more tokens of this client."
                " The token stays valid until it expires.",
                retry_after=error.retry_after,
            ) from None

    def _access_token(self, token: str, client_id: str) -> VerifiedToken:
        try:
            verified = self._tokens.any_reader.read(token)
        except InvalidCredentials as error:
            # Without the part that may quote the token.
            raise messages.NothingDone(error.reason.partition(":")[0]) from None
        if verified.client_id != client_id:
            # The token itself names its client: the response reveals nothing new.
            raise messages.OAuthError(
                ErrorCode.INVALID_GRANT, "The token was issued to another client."
            )
        return verified


@dataclass(eq=False, repr=False)
class DeviceAuthorization(ClientEndpoint):
    """Gives a client codes: one to ask with, and one that the user enters at `page_url`."""

    name = "device_authorization"
    path = "/oauth2/device_authorization"
    methods = METHODS
    is_for_scripts = False

    _device_codes: DeviceCodes
    _page_url: str

    def answer(self, request: messages.AuthenticatedRequest) -> messages.OAuthResponse:
        """The device authorization response (§3.2)."""
        with _as_oauth_error():
            issued = self._device_codes.issue(request.client, request.parameters, request.actor)
        complete = f"{self._page_url}?user_code={issued.user_code}"
        places = {"verification_uri": self._page_url, "verification_uri_complete": complete}
        return messages.OAuthResponse(200, {**asdict(issued), **places})


@dataclass(eq=False, repr=False)
class PushedAuthorization(ClientEndpoint):
    """Takes what a client would send through the browser, and gives a `request_uri` for it.

    Nothing is stored: the URI is the request itself, sealed.
    """

    name = "pushed_authorization_request"
    path = "/oauth2/par"
    methods = METHODS
    is_for_scripts = True

    _validation: Validation

    async def prove(
        self, http_request: Request, request: messages.AuthenticatedRequest
    ) -> messages.AuthenticatedRequest:
        """A proof binds the code to its key, as `dpop_jkt` does (RFC 9449 §10.1)."""
        if not request.parsed.form.proofs:
            return request
        proof = self._tokens.proofs.check(SentProof.of(http_request.scope))
        await self._tokens.proofs.use(proof)
        return replace(request, proof=proof)

    def answer(self, request: messages.AuthenticatedRequest) -> messages.OAuthResponse:
        """The response of §2.2."""
        given = dict(request.parameters)
        if request.jkt is not None and given.setdefault("dpop_jkt", request.jkt) != request.jkt:
            raise messages.invalid_request("dpop_jkt is not the key of the proof.")
        with _as_oauth_error():
            uri = self._validation.push(request.client, given)
        body = {"request_uri": uri, "expires_in": int(PUSHED_VALID_FOR.total_seconds())}
        answer = messages.OAuthResponse(201, body)
        if request.jkt is None or (nonce := self._tokens.proofs.next_nonce) is None:
            return answer
        return replace(answer, headers=[*answer.headers, ("DPoP-Nonce", nonce)])


@contextmanager
def _as_oauth_error() -> Iterator[None]:
    """`OAuthError` in place of `InvalidParameter`."""
    try:
        yield
    except InvalidParameter as error:
        raise messages.OAuthError(ErrorCode(error.error.value), error.description) from None
