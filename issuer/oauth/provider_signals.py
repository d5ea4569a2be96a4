"""The endpoints where trusted issuers say that people signed out or left.

Their tokens are the only credentials; the rules are in `issuer/sign_in/provider_signals.py`, and
what ends is in `issuer/sign_in/departures.py`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from issuer.audit import Actor
from issuer.composition import Administration
from issuer.directory import Directory
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import InvalidCredentials, TooManyRequests, UsedBefore
from issuer.fields.json import strict_json
from issuer.fields.networks import network_of
from issuer.http.requests import (
    JSON,
    InvalidForm,
    bearer_token,
    caller,
    parameters,
    receive_body,
)
from issuer.oauth.endpoint import EndpointParts
from issuer.oauth.messages import NOT_STORED, BearerError, OAuthError, OAuthResponse, quote
from issuer.oauth.messages import invalid_request as refused
from issuer.rate_limits.outcome_limit import OutcomeLimit
from issuer.rate_limits.password_pool import PasswordPool
from issuer.sign_in.departures import (
    SIGNAL_PATHS,
    Effect,
    ProviderEvent,
    ProviderSignal,
    SignalWay,
)
from issuer.sign_in.provider_claims import is_short_text
from issuer.sign_in.subject_identifiers import AccountThere, InvalidSubject, SubjectElsewhere
from issuer.vocabulary import ErrorCode

if TYPE_CHECKING:  # few deployments have such trusted issuers
    from issuer.sign_in.provider_signals import ProviderSignals

_SECURITY_EVENT = "application/secevent+jwt"
_MAX_BYTES = 20 * 1024  # a token has at most 16 KB
_EMPTY_PAGE = "<!doctype html><title>Signed out</title>"
# Frames of another site are refused everywhere else.
_FRAMED_BY_ANYBODY = {"Content-Security-Policy": "default-src 'none'; frame-ancestors *"}
Answering: TypeAlias = Callable[[], Awaitable[OAuthResponse | OAuthError]]


@dataclass(eq=False, repr=False)
class SignalEndpoint:
    """Takes signals of trusted issuers where people sign in. Wrong ones count for the address."""

    name: ClassVar[str]
    path: ClassVar[str]

    _parts: EndpointParts
    _directory: Directory
    _administration: Administration
    _signals: Callable[[], "ProviderSignals"]
    _passwords: PasswordPool

    async def __call__(self, http_request: Request) -> OAuthResponse | Response:
        return await self._parts.respond(http_request, f"{self.name}_refused", self._answer)

    async def _answer(self, http_request: Request) -> OAuthResponse:
        actor = caller(http_request)
        try:
            answer = partial(self._accept, http_request, actor)
            network = network_of(actor.address)
            answered = await self._limited(network, answer)
        except TooManyRequests as error:
            return await self._parts.refuse(f"{self.name}.refused", error, actor)
        if isinstance(answered, OAuthError):
            return await self._parts.refuse(f"{self.name}.refused", answered, actor)
        return answered

    async def _limited(self, network: str, answer: Answering) -> OAuthResponse | OAuthError:
        return await self._passwords.run_limited(network, answer, is_wrong=_is_refusal)

    async def _accept(self, http_request: Request, actor: Actor) -> OAuthResponse | OAuthError:
        """An error is returned, so that it counts as a wrong credential."""
        raise NotImplementedError

    async def _issuers(self) -> tuple[TrustedIssuerRecord, ...]:
        return await self._parts.queries.run(self._directory.issuers_of_people)

    async def _receive(self, signal: ProviderSignal, actor: Actor) -> bool:
        """Whether all that it is about is known here; `UsedBefore`."""

        def receive() -> bool:
            with self._administration.changing(actor, held=()) as work:
                return work.departures.receive(signal)

        return await self._parts.queries.run(receive)


def _is_refusal(answer: object) -> bool:
    return isinstance(answer, OAuthError)


@dataclass(eq=False, repr=False)
class BackchannelLogout(SignalEndpoint):
    """OpenID Connect Back-Channel Logout 1.0 §2.5.

    200 also if there is nothing to end; 400 for a token that does not count (§2.8).
    """

    name = "backchannel_logout"
    path = SIGNAL_PATHS[SignalWay.BACK_CHANNEL]

    async def _accept(self, http_request: Request, actor: Actor) -> OAuthResponse | OAuthError:
        try:
            form = parameters(await receive_body(http_request, _MAX_BYTES))
            token = form.get("logout_token", "")
            signal = await self._signals().logout(token, await self._issuers())
            await self._receive(signal, actor)
        except InvalidForm as error:
            return refused(str(error), error.status)
        except InvalidCredentials as error:
            return refused(quote(error.reason))
        return OAuthResponse(200, {})


class SecurityEventError(OAuthError):
    """An error response of RFC 8935 §2.4."""

    def __init__(self, err: str, description: str, status: int = 400) -> None:
        super().__init__(ErrorCode.INVALID_REQUEST, description, status=status)
        self.error = err

    @property
    def body(self) -> dict[str, object]:
        return {"err": self.error, "description": self.description}


@dataclass(eq=False, repr=False)
class SecurityEvents(SignalEndpoint):
    """Push delivery of security event tokens (RFC 8935).

    202 also for one that was delivered before, and for people and events that are not known here:
    the transmitter could do nothing about it.
    """

    name = "security_event"
    path = SIGNAL_PATHS[SignalWay.SECURITY_EVENTS]

    async def _accept(self, http_request: Request, actor: Actor) -> OAuthResponse | OAuthError:
        try:
            body = await receive_body(http_request, _MAX_BYTES, _SECURITY_EVENT)
            text = body.decode("ascii", "replace").strip()
            signal = await self._signals().security_event(text, await self._issuers())
            await self._receive(signal, actor)
        except InvalidForm as error:
            return SecurityEventError("invalid_request", str(error), error.status)
        except UsedBefore:
            pass
        except InvalidCredentials as error:
            err = getattr(error, "err", "authentication_failed")
            return SecurityEventError(err, quote(error.reason))
        return OAuthResponse(202, None, NOT_STORED)


@dataclass(eq=False, repr=False)
class GlobalTokenRevocation(SignalEndpoint):
    """Universal Logout of Okta (draft-parecki-oauth-global-token-revocation-06).

    The trusted issuer that has signed the bearer token revokes for people who sign in there.
    """

    name = "global_token_revocation"
    path = SIGNAL_PATHS[SignalWay.UNIVERSAL_LOGOUT]

    async def _accept(self, http_request: Request, actor: Actor) -> OAuthResponse | OAuthError:
        refusal: OAuthError
        try:
            if await self._is_known(http_request, actor):
                return OAuthResponse(204, None, NOT_STORED)
            refusal = refused("No user has this account at the trusted issuer.", 404)
        except InvalidCredentials as error:
            refusal = BearerError("invalid_token", quote(error.reason))
        except SubjectElsewhere as error:
            refusal = BearerError("insufficient_scope", str(error), 403)
        except InvalidSubject as error:
            refusal = refused(str(error))
        except InvalidForm as error:
            refusal = refused(str(error), error.status)
        except (ValueError, RecursionError):
            refusal = refused("The body is not JSON in UTF-8 with each member once.")
        return refusal

    async def _is_known(self, http_request: Request, actor: Actor) -> bool:
        """Whether there was somebody to revoke for."""
        token = bearer_token(http_request.scope["headers"]) or ""
        revoker = await self._signals().revoker(token, await self._issuers())
        body = strict_json(await receive_body(http_request, media_type=JSON))
        return await self._receive(revoker.signal(_subject_in(body)), actor)


def _subject_in(body: object) -> object:
    """`subject` was the name in earlier drafts."""
    return body.get("sub_id", body.get("subject")) if isinstance(body, dict) else None


@dataclass(eq=False, repr=False)
class FrontchannelLogout(SignalEndpoint):
    """OpenID Connect Front-Channel Logout 1.0 §3, in a frame of the provider's page.

    Nothing is signed, and no cookie comes along: the `sid` there, which only the provider and this
    issuer know, ends its session here and nothing else. `_unknown` limits guesses of an address;
    its own limit, since any page can let its visitors send some.
    """

    name = "frontchannel_logout"
    path = SIGNAL_PATHS[SignalWay.FRONT_CHANNEL]

    _unknown: OutcomeLimit

    async def __call__(self, http_request: Request) -> Response:
        """An empty page, which any page may frame."""
        answer = await self._parts.respond(http_request, f"{self.name}_refused", self._answer)
        retry_after = [pair for pair in answer.headers if pair[0] == "Retry-After"]
        headers = {**dict(NOT_STORED), **_FRAMED_BY_ANYBODY, **dict(retry_after)}
        return HTMLResponse(_EMPTY_PAGE, answer.status, headers)

    async def _limited(self, network: str, answer: Answering) -> OAuthResponse | OAuthError:
        return await self._unknown.run(network, answer, counts=_is_refusal)

    async def _accept(self, http_request: Request, actor: Actor) -> OAuthResponse | OAuthError:
        try:
            given = parameters(http_request.scope["query_string"])
        except InvalidForm as error:
            return refused(str(error), error.status)
        iss, sid = given.get("iss"), given.get("sid", "")
        issuer = next((each for each in await self._issuers() if each.issuer == iss), None)
        if issuer is None or not issuer.is_for_people or not is_short_text(sid):
            return refused("iss and sid name no session of a trusted issuer.")
        if not await self._parts.queries.run(self._has_session, issuer.id, sid):
            return refused("No session here began in this one.", 404)
        event = ProviderEvent("logout", Effect.SIGN_OUT, AccountThere(session=sid))
        way, now = SignalWay.FRONT_CHANNEL, self._parts.clock()
        await self._receive(ProviderSignal(issuer.id, way, (event,), now), actor)
        return OAuthResponse(200, {})

    def _has_session(self, issuer_id: str, sid: str) -> bool:
        """Looked up first: a guess takes no turn of those who change something."""
        with self._administration.reading(held=()) as work:
            return work.departures.has_session(issuer_id, sid)
