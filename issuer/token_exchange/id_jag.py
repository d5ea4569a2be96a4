"""ID-JAGs (draft-ietf-oauth-identity-assertion-authz-grant-03, cited here as the draft)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from issuer.algorithms import AlgorithmInUse
from issuer.audit import Trails
from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.directory import AudienceRecord, ClientRecord, Directory, ExternalAudience, UserRecord
from issuer.errors import InvalidCredentials
from issuer.refresh_tokens import Lifetimes, TokenToStore
from issuer.revocations.revoked import Revoked
from issuer.revocations.store import revoked_keys
from issuer.scopes import EMAIL, ScopeNotCovered
from issuer.sign_in.codes_store import CodeStore
from issuer.sign_in.consents_store import ActingFor, check_may_act
from issuer.sign_in.sessions_store import SessionStore
from issuer.token_exchange.exchanges import NotAllowedByUser, TokenExchanges
from issuer.token_exchange.subject import UserToken, identity_of
from issuer.tokens.authorization import Authorization
from issuer.tokens.issuing import RevokedUntil
from issuer.tokens.reading import IdTokenReader, VerifiedIdToken, VerifiedToken
from issuer.values import lazy_property
from issuer.vocabulary import ID_JAG_TYPE, GrantType, SigningAlgorithm

LONGEST_ID_JAG = timedelta(minutes=5)
_OF_ID_TOKEN = ("auth_time", "acr", "amr")


@dataclass(frozen=True, kw_only=True)
class IdJag(Authorization):
    """What an ID-JAG asserts: that the client, as `external` names it, may act for the user there.

    `identity` are further claims about the user. Scopes are compared as texts.
    """

    typ: ClassVar[str] = ID_JAG_TYPE

    external: ExternalAudience
    identity: Mapping[str, object]

    def narrowed_to(self, requested: Iterable[str] | None) -> "IdJag":
        """With exactly the `requested` scopes; `ScopeNotCovered` names the first unknown one."""
        if requested is None:
            return self
        scopes = list(requested)
        for scope in scopes:
            if scope not in self.scopes:
                raise ScopeNotCovered(scope)
        return replace(self, scopes=frozenset(scopes))

    @property
    def needs_key(self) -> bool:
        """It opens nothing by itself: only access tokens are bound to keys."""
        return False

    @lazy_property
    def ends_at(self) -> datetime | None:
        """`expires_by`: its scopes are none of this issuer, and do not end here."""
        return self.expires_by

    @lazy_property
    def common_claims(self) -> Mapping[str, Any]:
        """The claims of the draft, §3.1, besides those that differ each time."""
        external = {"aud": self.external.issuer, "resource": self.external.resource}
        claims: dict[str, Any] = {**self.identity, "sub": self.subject, **external}
        claims["client_id"] = self.external.client_id
        if self.scopes:
            claims["scope"] = " ".join(sorted(self.scopes))
        return claims


@dataclass(frozen=True, slots=True)
class Asserted:
    """A user named by a `token`, until that expires, with claims; `by` is an access token."""

    token: VerifiedToken | VerifiedIdToken
    user: UserRecord
    expires_at: datetime
    identity: Mapping[str, object]
    by: UserToken | None = None


@dataclass(eq=False, repr=False)
class IdJags:
    """Each call is a transaction of its own: for a worker thread, never for the event loop."""

    _database: Database
    _directory: Directory
    _trails: Trails
    _clock: Clock
    _id_tokens: IdTokenReader
    _exchanges: TokenExchanges
    _session_lifetimes: Lifetimes
    _alg: SigningAlgorithm

    def of_id_token(self, text: str, client: ClientRecord) -> Asserted:
        """The user of an ID token; `InvalidCredentials` unless the client got it (§4.3.3)."""
        token = self._id_tokens.read_although_expired(text)
        if token.client_id != client.client_id:
            raise InvalidCredentials("an ID token of another client", token.subject)
        if self._clock() >= token.expires_at:
            raise InvalidCredentials("expired", token.subject)
        user = self._directory.load_user(token.subject)
        if user is None or user.disabled:
            raise InvalidCredentials("the user is deleted or disabled", token.subject)
        with self._database.reading() as session:
            granted = CodeStore(session).openid_scopes(token.sid, client.client_id)
        identity = {name: token.claims[name] for name in _OF_ID_TOKEN if name in token.claims}
        return Asserted(token, user, token.expires_at, identity | _email(user, granted))

    def of_access_token(self, token: VerifiedToken, client: ClientRecord) -> Asserted:
        """The user of an access token of the client, or one from which `may_act` leads."""
        (found,) = self._exchanges.find([token])
        if isinstance(found, InvalidCredentials):
            raise found
        from_audiences = {rule.from_audience for rule in client.may_act}
        if token.client_id != client.client_id and token.audience not in from_audiences:
            raise InvalidCredentials(f"no may_act from {token.audience}", token.subject)
        email = _email(found.user, token.openid_scopes)
        return Asserted(token, found.user, token.expires_at, email, found)

    def authorization(
        self, asserted: Asserted, client: ClientRecord, external: ExternalAudience
    ) -> IdJag:
        """The most that the ID-JAG may say."""
        return IdJag(
            subject=asserted.user.id,
            client=client,
            audience=AudienceRecord(
                id=external.issuer,
                signing_alg=AlgorithmInUse(self._alg),
                access_token_ttl=LONGEST_ID_JAG,
                include_roles=False,
                is_own=False,
            ),
            scopes=external.scopes,
            rights=asserted.user.rights,
            expires_by=min(asserted.expires_at, self._clock() + LONGEST_ID_JAG),
            external=external,
            identity=asserted.identity,
        )

    def store(
        self, asserted: Asserted, authorization: IdJag, issue: TokenToStore
    ) -> RevokedUntil | None:
        """Write the audit event, if nothing that the ID-JAG depends on has ended.

        `InvalidCredentials` if the token was revoked or has expired, the session has ended, or the
        user does not allow it any more; `RevokedUntil` if the client was changed and must ask
        again. Nothing can revoke an ID-JAG, so this transaction checks all of it.
        """
        issued = identity_of(authorization, issue)
        with self._database.changing() as session:
            client = self._directory.client_in(session, issued.client_id)
            if client is None or not _may_ask(client, authorization.external):
                return RevokedUntil.after_revocations(self._clock())
            if issue.access_token.expires_at <= self._clock():
                raise InvalidCredentials("expired", asserted.user.id)
            revoked = Revoked.about(session.connection(), [asserted.token, issued])
            keys = revoked_keys(session.connection(), [asserted.token.kid])
            if revoked.includes(asserted.token) or keys:
                raise InvalidCredentials("revoked", asserted.user.id)
            if asserted.by is None:
                self._require_session(session, asserted)
            if not _is_allowed(session, asserted, replace(authorization, client=client)):
                reason = "the user has not allowed the client to act there"
                raise NotAllowedByUser(reason, asserted.user.id)
            if revoked.includes(issued):
                return RevokedUntil.after_revocations(self._clock())
            issue.record(self._trails, session, asserted.user.id)
        return None

    def _require_session(self, session: Session, asserted: Asserted) -> None:
        user_id, sid = asserted.user.id, asserted.token.sid
        found = SessionStore(session).get(user_id, sid) if sid else None
        if found is None or not found.is_active(self._session_lifetimes, self._clock()):
            raise InvalidCredentials("the session has ended", user_id)


def _may_ask(client: ClientRecord, external: ExternalAudience) -> bool:
    has_grant = GrantType.TOKEN_EXCHANGE in client.grant_types
    return has_grant and external in client.external_audiences


def _is_allowed(session: Session, asserted: Asserted, authorization: IdJag) -> bool:
    """Whether the consent page named the client and the other server, or need not have."""
    client = authorization.client
    actor = authorization.external.actor(client.client_id, authorization.scopes)
    if asserted.by is not None:
        asked = asserted.by.acting_for(actor)
    else:
        asked = ActingFor(asserted.user.id, client, None, actor)
    return check_may_act(session.connection(), [asked]) == [True]


def _email(user: UserRecord, openid_scopes: Iterable[str]) -> dict[str, object]:
    """Only where it is verified: the other server may find the user by it."""
    if EMAIL in openid_scopes and user.email_verified:
        return {"email": user.email, "email_verified": True}
    return {}
