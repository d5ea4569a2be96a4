"""From a valid authorization request to a code: what a person must still do, and the redirect."""

from dataclasses import dataclass, replace
from datetime import datetime

from issuer.audit import Actor, Trails
from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.directory import ClientRecord
from issuer.directory.store import load_acting_clients
from issuer.errors import AlreadyExists
from issuer.fields.secret_text import SecretTexts
from issuer.languages import N_
from issuer.scopes import covers
from issuer.sign_in.authorization_request import (
    AuthorizationRequest,
    ConsentNeeded,
    Device,
    NextStep,
    Redirection,
    RequestProblem,
    SignInNeeded,
    with_parameters,
)
from issuer.sign_in.codes_store import VALID_FOR, AuthorizationCode, CodeStore
from issuer.sign_in.consents_store import ConsentStore
from issuer.sign_in.device_codes_store import DeviceCodeStore
from issuer.sign_in.offer import Offer, Offers
from issuer.sign_in.parameters import NONE
from issuer.sign_in.session_revoker import Consents
from issuer.sign_in.sessions_store import SessionStore, SignInSession
from issuer.sign_in.validation import ANSWERED_OR_EXPIRED, KeepClient
from issuer.vocabulary import AuthorizationErrorCode as ErrorCode


@dataclass(eq=False, repr=False)
class AuthorizationFlow:
    """Each call checks the request against the present state. Queries: for a worker thread."""

    _issuer: str
    _database: Database
    _trails: Trails
    _clock: Clock
    _offers: Offers
    _keep_client: KeepClient
    _code_texts: SecretTexts

    def client_of(self, request: AuthorizationRequest) -> ClientRecord | None:
        """The client, also one of a metadata document that nobody has allowed anything yet."""
        client = self._offers.client(request)
        return None if isinstance(client, RequestProblem) else client

    def needs_fresh_sign_in(self, request: AuthorizationRequest) -> bool:
        """Whether it needs a recent sign-in, second factor included."""
        return self._offers.fresh_within(request) is not None

    def next_step(
        self, request: AuthorizationRequest, session: SignInSession | None, actor: Actor
    ) -> NextStep:
        """What comes next; a redirect with a code where nothing is left to ask."""
        offer = self._offers.find(request, session)
        if not isinstance(offer, Offer):
            return offer
        with self._database.reading() as transaction:
            needs_consent = self._needs_consent(transaction, offer)
        if needs_consent:
            return self._asking(offer)
        return self._with_code(offer, actor, consented=False)

    def allow(self, excerpt: ConsentNeeded, session: SignInSession, actor: Actor) -> NextStep:
        """The user allowed what was `shown`: a redirect with a code, unless that has changed."""
        offer = self._offers.find(excerpt.request, session, acted=True)
        if not isinstance(offer, Offer):
            return offer
        asked = _consent_needed(offer)
        if asked.allowing != excerpt.allowing:
            return asked
        try:
            self._keep_client(offer.client, actor.known_as(offer.user.id))
        except AlreadyExists as error:
            # The URL of its document differs only in case from one that was allowed before.
            sentence = (
                f"The id of the application cannot be used here: {error}"
                " Ids are compared without regard to case."
            )
            error_code, client_id = ErrorCode.UNAUTHORIZED_CLIENT, offer.client.client_id
            section = "RFC 6749 §2.2"
            return RequestProblem(error_code, sentence, "client_id", client_id, section=section)
        return self._with_code(offer, actor, consented=True)

    def deny(
        self, request: AuthorizationRequest, session: SignInSession | None, actor: Actor
    ) -> NextStep:
        """The user denied it, or left the sign-in page: redirect with `access_denied`."""
        client = self._offers.client(request)
        if isinstance(client, RequestProblem):
            return client
        if session is not None:
            with self._database.changing() as transaction:
                if request.device and not self._answer_device(transaction, request.device):
                    return _repetition()
                trail = self._trails.begin(transaction, actor.known_as(session.user_id))
                details = {"client_id": client.client_id, **_of_device(request)}
                trail.note("consent.denied", session.user_id, **details)
        sentence = N_("The user denied the request.")
        return self._offers.refusal(request, client, ErrorCode.ACCESS_DENIED, sentence, acted=True)

    def _asking(self, offer: Offer) -> NextStep:
        request, client = offer.request, offer.client
        if NONE not in request.prompt:
            return _consent_needed(offer)
        sentence = "Consent is needed."
        return self._offers.refusal(request, client, ErrorCode.CONSENT_REQUIRED, sentence)

    def _needs_consent(self, session: Session, offer: Offer) -> bool:
        if self._offers.always_asks(offer.request, offer.client):
            return True
        consents = ConsentStore(session)
        if offer.client.first_party:  # who was asked once is asked about those who act since
            return not consents.has_told(offer.access)
        return not consents.includes(offer.access)

    def _with_code(self, offer: Offer, actor: Actor, *, consented: bool) -> NextStep:
        text, digest = self._code_texts.new()
        code = self._code(offer, digest)
        with self._database.changing() as session:
            # Ended meanwhile: a code made now would be of no use.
            if SessionStore(session).get(offer.user.id, offer.session.id) is None:
                return SignInNeeded(offer.request)
            if not consented and self._needs_consent(session, offer):
                return self._asking(offer)  # withdrawn meanwhile
            if not self._store(session, offer.request.device, code):
                return _repetition()
            if consented:
                trail = self._trails.begin(session, actor.known_as(offer.user.id))
                consents = Consents(session, trail, self._clock)
                # As the page said, without those that were just deleted.
                acting = load_acting_clients(session, offer.client, offer.audience.id)
                access = replace(offer.access, acting=offer.access.acting.intersection(acting))
                consents.grant(access, **_of_device(offer.request))
        answer = {"code": text, "state": offer.request.state, "iss": self._issuer}
        if offer.request.device is not None:  # which has the code already
            answer = {"answer": "allowed"}
        return Redirection(with_parameters(offer.request.redirect_uri, answer))

    def _store(self, session: Session, device: Device | None, code: AuthorizationCode) -> bool:
        """False if the request was answered before. A device asks with its own code."""
        if device is not None:
            if (until := self._answer_device(session, device)) is None:
                return False
            code = replace(code, digest=device.digest, expires_at=until)
        return CodeStore(session).add(code)

    def _answer_device(self, session: Session, device: Device) -> datetime | None:
        """Until when the device can fetch it; None if there was an answer, or it is too late."""
        return DeviceCodeStore(session).answer(device.digest, self._clock())

    def _code(self, offer: Offer, digest: bytes) -> AuthorizationCode:
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
            dpop_jkt=request.dpop_jkt,
        )


def _of_device(request: AuthorizationRequest) -> dict[str, object]:
    """Which code of a device was answered, as in the event that it was issued."""
    return {"request": request.id} if request.device else {}


def _consent_needed(offer: Offer) -> ConsentNeeded:
    withheld = (scope for scope in offer.held if not covers(offer.scopes, scope))
    return ConsentNeeded(
        offer.request,
        offer.client,
        offer.user,
        None if offer.request.audience_id is None else offer.audience,
        tuple(sorted(offer.scopes)),
        tuple(sorted(offer.openid_scopes)),
        tuple(sorted(withheld)),
        offer.acting,
    )


def _repetition() -> RequestProblem:
    return RequestProblem(ErrorCode.INVALID_REQUEST, ANSWERED_OR_EXPIRED)
