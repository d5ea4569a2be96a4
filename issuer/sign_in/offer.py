"""What a client would get from a user, by the present state; or what comes before that."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias

from issuer.clock import Clock
from issuer.directory import ActingClient, AudienceRecord, ClientRecord, Directory, UserRecord
from issuer.fields.urls import is_of_a_web_server
from issuer.languages import N_
from issuer.scopes import OFFLINE_ACCESS, OPENID
from issuer.sign_in.authorization_request import (
    AuthorizationRequest,
    Redirection,
    RequestProblem,
    SignInNeeded,
)
from issuer.sign_in.consents_store import AllowedAccess
from issuer.sign_in.parameters import CONSENT, LOGIN, NONE, SELECT_ACCOUNT
from issuer.sign_in.sessions_store import FRESH_FOR, SignInSession
from issuer.sign_in.validation import FindClient, error_url, may_redirect_unasked, redirect_problem
from issuer.tokens.authorization import Authorization
from issuer.vocabulary import AuthorizationErrorCode as ErrorCode
from issuer.vocabulary import GrantType


@dataclass(frozen=True, slots=True)
class Offer:
    """`held` is what the user holds at the audience, `scopes` what the client would get of it.

    `acting`: which clients may act for the user with that token, and where.
    """

    request: AuthorizationRequest
    client: ClientRecord
    user: UserRecord
    session: SignInSession
    audience: AudienceRecord
    held: frozenset[str]
    scopes: frozenset[str]
    acting: tuple[ActingClient, ...]

    @property
    def openid_scopes(self) -> frozenset[str]:
        """Without `offline_access` for a client that may not have refresh tokens."""
        if GrantType.REFRESH_TOKEN in self.client.grant_types:
            return self.request.openid_scopes
        return self.request.openid_scopes - {OFFLINE_ACCESS}

    @property
    def access(self) -> AllowedAccess:
        """What the user allows by consenting."""
        whose = (self.user.id, self.client.client_id, self.request.audience_id)
        scopes = (self.scopes, self.openid_scopes)
        return AllowedAccess(*whose, self.request.redirect_uri, *scopes, frozenset(self.acting))


Refused: TypeAlias = Redirection | RequestProblem


@dataclass(eq=False, repr=False)
class Offers:
    """Checks a request against the present state: client, session, user, audience, rights."""

    _issuer: str
    _clock: Clock
    _directory: Directory
    _find_client: FindClient
    _fresh_for: timedelta

    def find(
        self, request: AuthorizationRequest, session: SignInSession | None, *, acted: bool = False
    ) -> Offer | SignInNeeded | Refused:
        """The offer, or what comes instead. `acted`: the person has decided on a page of ours."""
        client = self.client(request)
        if isinstance(client, RequestProblem):
            return client
        user = self._directory.load_user(session.user_id) if session else None
        if session is None or user is None or self._must_sign_in(request, session, user):
            return self._without_user(request, client, is_again=session is not None)
        acted |= session.authenticated_at >= request.created_at
        if problem := self._problem_with_user(request, client, user):
            return self.refusal(request, client, *problem, acted=acted)
        audience = self._audience(request, client)
        if audience is None:
            sentence = N_("The client may not have tokens for this audience.")
            return self.refusal(request, client, ErrorCode.INVALID_TARGET, sentence, acted=acted)
        acting = self._directory.load_acting_clients(client, audience.id)
        offer = _offer(request, client, user, session, audience, acting)
        if not offer.scopes and OPENID not in offer.openid_scopes:
            sentence = N_("The user holds none of the scopes at this audience.")
            return self.refusal(request, client, ErrorCode.ACCESS_DENIED, sentence, acted=acted)
        return offer

    def client(self, request: AuthorizationRequest) -> ClientRecord | RequestProblem:
        """The client, if it is still what it was when the request came."""
        client = self._find_client(request.client_id)
        if client is None or client.disabled or request.grant_type not in client.grant_types:
            error = ErrorCode.UNAUTHORIZED_CLIENT
            sentence = N_("The application is no longer known here.")
            return RequestProblem(error, sentence, "client_id", request.client_id)
        if request.device is not None:  # which ends at a page of ours
            return client
        return redirect_problem(client, request.redirect_uri) or client

    def refusal(
        self,
        request: AuthorizationRequest,
        client: ClientRecord,
        error: ErrorCode,
        sentence: str,
        *,
        acted: bool = False,
    ) -> Refused:
        """A redirect with the error.

        A client that registered itself: a page, until a person has acted (RFC 9700
        §4.11.2).
        """
        url = error_url(self._issuer, request.redirect_uri, request.state, error, sentence)
        if acted or may_redirect_unasked(client, request.redirect_uri, request.prompt):
            return Redirection(url, error)
        return RequestProblem(error, sentence, return_to=url)

    def always_asks(self, request: AuthorizationRequest, client: ClientRecord) -> bool:
        """Whether the user is asked whatever was allowed before.

        Other programs may receive what is sent anywhere but to `https` (RFC 8252 §8.6), a token for
        the issuer itself may administer it, and a device may be somebody else's (RFC 8628 §5.4).
        """
        return (
            self.fresh_within(request) is not None
            or CONSENT in request.prompt
            or client.is_self_registered
            or not is_of_a_web_server(request.redirect_uri)
        )

    def fresh_within(self, request: AuthorizationRequest) -> timedelta | None:
        """How recent the sign-in must be, whatever was allowed before; None if a session will do.

        Rights at the issuer itself need a more recent one than a device for an AgentOS.
        """
        if request.audience_id == self._issuer:
            return FRESH_FOR
        return None if request.device is None else self._fresh_for

    def _without_user(
        self, request: AuthorizationRequest, client: ClientRecord, *, is_again: bool
    ) -> SignInNeeded | Refused:
        if NONE not in request.prompt:
            return SignInNeeded(request)
        sentence = "The user must sign in again." if is_again else "Nobody is signed in."
        return self.refusal(request, client, ErrorCode.LOGIN_REQUIRED, sentence)

    def _problem_with_user(
        self, request: AuthorizationRequest, client: ClientRecord, user: UserRecord
    ) -> tuple[ErrorCode, str] | None:
        """A problem found before the rights are read, so that it tells nothing about them."""
        if request.expected_user_id not in {None, user.id}:
            return ErrorCode.LOGIN_REQUIRED, "Another user is signed in."
        if NONE in request.prompt and self.always_asks(request, client):
            return ErrorCode.CONSENT_REQUIRED, "Consent is needed."
        return None

    def _audience(
        self, request: AuthorizationRequest, client: ClientRecord
    ) -> AudienceRecord | None:
        """The issuer itself where the token is only for user info."""
        if request.audience_id is None:
            return self._directory.load_audience(self._issuer)
        return client.audiences.get(request.audience_id)

    def _must_sign_in(
        self, request: AuthorizationRequest, session: SignInSession, user: UserRecord
    ) -> bool:
        """Whether the request wants a newer sign-in (OpenID Connect Core §3.1.2.1)."""
        within = self.fresh_within(request)
        is_fresh = within is None or session.is_fresh(user, self._clock(), within)
        if user.disabled or not is_fresh:
            return True
        if session.authenticated_at >= request.created_at:
            return False
        if request.prompt & {LOGIN, SELECT_ACCOUNT}:
            return True
        if request.expected_user_id not in {None, session.user_id}:
            return True
        age = self._clock() - session.authenticated_at
        return request.max_age is not None and age > timedelta(seconds=request.max_age)


def _offer(
    request: AuthorizationRequest,
    client: ClientRecord,
    user: UserRecord,
    session: SignInSession,
    audience: AudienceRecord,
    acting: tuple[ActingClient, ...],
) -> Offer:
    """Narrowed, never refused: the user sees what is asked, and the answer says what was given."""
    ceiling, held = Authorization.of_user(user, client, audience), user.rights.at(audience)
    if request.audience_id is None:
        ceiling, held = replace(ceiling, scopes=frozenset()), frozenset()
    granted = ceiling if request.scopes is None else ceiling.within(request.scopes)
    return Offer(request, client, user, session, audience, held, granted.scopes, acting)
