"""From a valid authorization request to a code: what a person must still do, and the redirect."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias

from issuer.audit import Actor, Trails
from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.directory import AudienceRecord, ClientRecord, Directory, UserRecord
from issuer.redirect_uris import is_of_a_web_server
from issuer.scopes import OFFLINE_ACCESS, OPENID, covers
from issuer.sign_in.authorization_request import AuthorizationRequest
from issuer.sign_in.code import VALID_FOR, AuthorizationCode
from issuer.sign_in.codes_store import CodeStore
from issuer.sign_in.consents import Consents, consent_of
from issuer.sign_in.outcomes import (
    ConsentNeeded,
    NextStep,
    Redirection,
    RequestProblem,
    SignInNeeded,
    with_parameters,
)
from issuer.sign_in.secret_texts import SecretTexts
from issuer.sign_in.session import SignInSession
from issuer.sign_in.sessions_store import SessionStore
from issuer.sign_in.validation import (
    CONSENT,
    LOGIN,
    NONE,
    SELECT_ACCOUNT,
    FindClient,
    error_url,
    redirect_problem,
)
from issuer.tokens import Authorization
from issuer.vocabulary import AuthorizationErrorCode, GrantType

ErrorCode = AuthorizationErrorCode


@dataclass(frozen=True, slots=True)
class _Offer:
    """What the client would get from this user, by the present state."""

    request: AuthorizationRequest
    client: ClientRecord
    user: UserRecord
    session: SignInSession
    audience: AudienceRecord
    held: frozenset[str]
    scopes: frozenset[str]

    @property
    def openid_scopes(self) -> frozenset[str]:
        """Without `offline_access` for a client that may not have refresh tokens."""
        if GrantType.REFRESH_TOKEN in self.client.grant_types:
            return self.request.openid_scopes
        return self.request.openid_scopes - {OFFLINE_ACCESS}


_Decided: TypeAlias = _Offer | SignInNeeded | Redirection | RequestProblem


class AuthorizationFlow:
    """Each call checks the request against the present state. Queries: for a worker thread."""

    def __init__(
        self,
        issuer: str,
        database: Database,
        trails: Trails,
        clock: Clock,
        directory: Directory,
        find_client: FindClient,
        code_texts: SecretTexts,
    ) -> None:
        self._issuer = issuer
        self._database = database
        self._trails = trails
        self._clock = clock
        self._directory = directory
        self._find_client = find_client
        self._code_texts = code_texts

    def next_step(
        self, request: AuthorizationRequest, session: SignInSession | None, actor: Actor
    ) -> NextStep:
        """What comes next; a redirect with a code where nothing is left to ask."""
        offer = self._offer(request, session)
        if not isinstance(offer, _Offer):
            return offer
        if self._needs_consent(offer):
            if NONE in request.prompt:
                return self._refusal(request, ErrorCode.CONSENT_REQUIRED, "Consent is needed.")
            return _consent_needed(offer)
        return self._with_code(offer, actor, consented=False)

    def allow(
        self, request: AuthorizationRequest, session: SignInSession, actor: Actor
    ) -> NextStep:
        """The user allowed it: remember that, and redirect with a code."""
        offer = self._offer(request, session)
        if not isinstance(offer, _Offer):
            return offer
        return self._with_code(offer, actor, consented=True)

    def deny(
        self, request: AuthorizationRequest, session: SignInSession | None, actor: Actor
    ) -> NextStep:
        """The user denied it, or left the sign-in page: redirect with `access_denied`."""
        client = self._client(request)
        if isinstance(client, RequestProblem):
            return client
        if session is not None:
            with self._database.changing() as transaction:
                trail = self._trails.begin(transaction, actor.known_as(session.user_id))
                trail.note("consent.denied", session.user_id, client_id=client.client_id)
        return self._refusal(request, ErrorCode.ACCESS_DENIED, "The user denied the request.")

    def _offer(self, request: AuthorizationRequest, session: SignInSession | None) -> _Decided:
        client = self._client(request)
        if isinstance(client, RequestProblem):
            return client
        user = self._directory.load_user(session.user_id) if session else None
        if session is None or user is None or user.disabled or self._is_stale(request, session):
            if NONE in request.prompt:
                return self._refusal(request, ErrorCode.LOGIN_REQUIRED, "Nobody is signed in.")
            return SignInNeeded(request)
        audience = self._audience(request, client)
        if audience is None:
            return self._refusal(
                request,
                ErrorCode.INVALID_TARGET,
                "The client may not have tokens for this audience.",
            )
        ceiling = Authorization.of_user(user, client, audience)
        if request.audience_id is None:
            ceiling = replace(ceiling, scopes=frozenset())
        # Narrowed, never refused: the user sees what is asked, and the answer says what was given.
        granted = ceiling if request.scopes is None else ceiling.within(request.scopes)
        parts = (request, client, user, session, audience)
        held = frozenset() if request.audience_id is None else user.rights.at(audience)
        offer = _Offer(*parts, held, granted.scopes)
        if not offer.scopes and OPENID not in offer.openid_scopes:
            return self._refusal(
                request,
                ErrorCode.ACCESS_DENIED,
                "The user holds none of the scopes at this audience.",
            )
        return offer

    def _client(self, request: AuthorizationRequest) -> ClientRecord | RequestProblem:
        client = self._find_client(request.client_id)
        if (
            client is None
            or client.disabled
            or GrantType.AUTHORIZATION_CODE not in client.grant_types
        ):
            return RequestProblem(
                ErrorCode.UNAUTHORIZED_CLIENT,
                "The application is no longer known here.",
                "client_id",
                request.client_id,
            )
        return redirect_problem(client, request.redirect_uri) or client

    def _audience(
        self, request: AuthorizationRequest, client: ClientRecord
    ) -> AudienceRecord | None:
        """The issuer itself where the token is only for user info."""
        if request.audience_id is None:
            return self._directory.load_audience(self._issuer)
        return client.audiences.get(request.audience_id)

    def _is_stale(self, request: AuthorizationRequest, session: SignInSession) -> bool:
        """Whether the request wants a newer sign-in (OpenID Connect Core §3.1.2.1)."""
        if session.authenticated_at >= request.created_at:
            return False
        if request.prompt & {LOGIN, SELECT_ACCOUNT}:
            return True
        return request.max_age is not None and (
            self._clock() - session.authenticated_at > timedelta(seconds=request.max_age)
        )

    def _needs_consent(self, offer: _Offer) -> bool:
        client, request = offer.client, offer.request
        if CONSENT in request.prompt or client.is_self_registered:
            return True
        # RFC 8252 §8.6: another application may receive what is sent elsewhere.
        if client.first_party and is_of_a_web_server(request.redirect_uri):
            return False
        with self._database.reading() as session:
            given = consent_of(session, offer.user.id, client.client_id, request.audience_id)
        return given is None or not given.includes(offer.scopes, offer.openid_scopes)

    def _with_code(self, offer: _Offer, actor: Actor, *, consented: bool) -> NextStep:
        text = self._code_texts.new()
        code = self._code(offer, self._code_texts.digest(text) or b"")
        with self._database.changing() as session:
            # Ended meanwhile: a code made now would be of no use.
            if SessionStore(session).get(offer.user.id, offer.session.id) is None:
                return SignInNeeded(offer.request)
            if not CodeStore(session).add(code):
                return _done_already()
            if consented:
                self._remember(session, offer, actor)
        answer = {"code": text, "state": offer.request.state, "iss": self._issuer}
        return Redirection(with_parameters(offer.request.redirect_uri, answer))

    def _code(self, offer: _Offer, digest: bytes) -> AuthorizationCode:
        request, session = offer.request, offer.session
        return AuthorizationCode(
            request_id=request.id,
            client_id=offer.client.client_id,
            user_id=offer.user.id,
            session_id=session.id,
            redirect_uri=request.redirect_uri,
            audience_id=offer.audience.id,
            scopes=offer.scopes,
            openid_scopes=offer.openid_scopes,
            nonce=request.nonce,
            code_challenge=request.code_challenge,
            authenticated_at=session.authenticated_at,
            methods=session.methods,
            expires_at=self._clock() + VALID_FOR,
            digest=digest,
        )

    def _remember(self, session: Session, offer: _Offer, actor: Actor) -> None:
        trail = self._trails.begin(session, actor.known_as(offer.user.id))
        Consents(session, trail, self._clock).grant(
            offer.user.id,
            offer.client.client_id,
            offer.request.audience_id,
            offer.scopes,
            offer.openid_scopes,
        )

    def _refusal(
        self, request: AuthorizationRequest, error: AuthorizationErrorCode, description: str
    ) -> Redirection:
        url = error_url(self._issuer, request.redirect_uri, request.state, error, description)
        return Redirection(url, error)


def _consent_needed(offer: _Offer) -> ConsentNeeded:
    withheld = (scope for scope in offer.held if not covers(offer.scopes, scope))
    return ConsentNeeded(
        offer.request,
        offer.client,
        offer.user,
        None if offer.request.audience_id is None else offer.audience,
        tuple(sorted(offer.scopes)),
        tuple(sorted(offer.openid_scopes)),
        tuple(sorted(withheld)),
    )


def _done_already() -> RequestProblem:
    return RequestProblem(
        ErrorCode.INVALID_REQUEST,
        "This sign-in was completed already. Go back to the application and start again.",
    )
