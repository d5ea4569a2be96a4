"""Ending sessions, consents and codes together with the tokens they gave, in one transaction."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from issuer.audit import Trail
from issuer.authority import Authority
from issuer.clock import Clock
from issuer.database import Session
from issuer.database.store import as_model
from issuer.database.tables import ConsentRow
from issuer.deliveries.logouts_store import EndedSessions
from issuer.directory import ActingClient
from issuer.errors import InvalidCredentials, NotFound
from issuer.refresh_tokens import Lifetimes
from issuer.refresh_tokens.store import EndedFamily, FamilyStore
from issuer.resources import Transaction, WithinTransaction, one_of
from issuer.revocations import Revocations
from issuer.revocations.revocations import JTI, SID
from issuer.sign_in.codes_store import AuthorizationCode, CodeStore
from issuer.sign_in.consents_store import AllowedAccess, ConsentStore
from issuer.sign_in.sessions_store import SessionStore, SignInSession, active


class SessionRevoker:
    """Each end is one entry of the revocation feed for each refresh family or session.

    Clients that want to be told of the end of a session are.
    """

    def __init__(self, session: Session, trail: Trail, clock: Clock) -> None:
        self._session = session
        self._trail = trail
        self._clock = clock
        self._families = FamilyStore(session)
        self._codes = CodeStore(session)
        self._revocations = Revocations(session, clock)

    def session(self, ended: SignInSession, *, with_offline: bool) -> bool:
        """End the session, its access tokens and its refresh tokens; False if it had ended.

        `with_offline`: also refresh tokens with `offline_access`, which outlast a sign-out.
        """
        now = self._clock()
        EndedSessions(self._session).tell_of_session(ended.id, ended.user_id, now)
        if not SessionStore(self._session).delete(ended.id):
            return False
        families = self._families.end_of_session(ended.id, with_offline=with_offline)
        are_revoked = self._revoke_families(families, ended.user_id)
        until = self._codes.access_until(ended.id)
        if until is not None:
            are_revoked &= self._revoke(SID, {ended.id: until}, "", ended.user_id)
        details = {"families": len(families), "access_tokens_revoked": are_revoked}
        self._trail.note("session.ended", ended.user_id, session=ended.id, **details)
        return True

    def client_of_user(self, user_id: str, client_id: str) -> dict[str, object]:
        """End the tokens that the client has for the user; the details for the audit log.

        With those that it got by exchange, and those that others got for its own (RFC 8693).
        """
        families = self._families.end_of_client(user_id, client_id)
        are_revoked = self._revoke_families(families, user_id)
        single = self._codes.single_tokens(user_id, client_id)
        are_revoked &= self._revoke(JTI, single, client_id, user_id)
        are_revoked &= self._revocations.revoke_exchanged_through(user_id, client_id)
        self._codes.withdraw(user_id, client_id)
        return {"families": len(families), "access_tokens_revoked": are_revoked}

    def code(self, code: AuthorizationCode) -> None:
        """Revoke what a code gave that is used again (RFC 6749 §4.1.2)."""
        assert code.access_until is not None
        if code.family_id is None:
            given = {str(code.jti): code.access_until}
            are_revoked = self._revoke(JTI, given, code.client_id, code.user_id)
        else:
            until = self._families.end(code.family_id) or code.access_until
            are_revoked = self._revoke(SID, {code.family_id: until}, code.client_id, code.user_id)
        about = {"client_id": code.client_id, "jti": code.jti, "family": code.family_id}
        self._trail.note("code.reused", code.user_id, **about, access_tokens_revoked=are_revoked)

    def _revoke_families(self, families: Iterable[EndedFamily], user_id: str) -> bool:
        of_client: dict[str, dict[str, datetime]] = defaultdict(dict)
        for family_id, client_id, until in families:
            of_client[client_id][family_id] = until
        revoked = [self._revoke(SID, ids, each, user_id) for each, ids in of_client.items()]
        return all(revoked)

    def _revoke(
        self, claim: str, expirations: dict[str, datetime], client_id: str, user_id: str
    ) -> bool:
        of_user = self._revocations.revoke_of_user
        return of_user(claim, expirations, client_id=client_id, user_id=user_id)


class Sessions(WithinTransaction):
    """The sessions of users, for operators, within one transaction."""

    def __init__(self, transaction: Transaction, lifetimes: Lifetimes) -> None:
        super().__init__(transaction)
        self._store = SessionStore(self._session)
        self._lifetimes = lifetimes

    def of_user(self, user_id: str) -> list[SignInSession]:
        """The active sessions of the user, newest first."""
        return active(self._store.of_user(user_id), self._lifetimes, self._clock())

    def get(self, user_id: str, session_id: str) -> SignInSession:
        return one_of(self.of_user(user_id), session_id, "session")

    def require(self, session: SignInSession) -> None:
        """`InvalidCredentials` if the session has ended since it was read."""
        if self._store.get(session.user_id, session.id) is None:
            raise InvalidCredentials("the session has ended", session.user_id)

    def note_factor(self, session: SignInSession, methods: Iterable[str]) -> None:
        """The user has just added a second factor in this session, and proven it by `methods`.

        So the session need not sign in again with it. Its sign-in gets no more recent.
        """
        self._store.add_methods(session, methods)

    def end(self, user_id: str, session_id: str) -> None:
        session = self.get(user_id, session_id)
        self._authority.authorize_change(principal=user_id)
        revoker = SessionRevoker(self._session, self._trail, self._clock)
        revoker.session(session, with_offline=True)

    def end_others(self, kept: SignInSession) -> None:
        """End every other session of its user."""
        self._authority.authorize_change(principal=kept.user_id)
        revoker = SessionRevoker(self._session, self._trail, self._clock)
        for session in self._store.of_user(kept.user_id):
            if session.id != kept.id:
                revoker.session(session, with_offline=True)


class AllowedActor(BaseModel):
    """A client that may act for the user at an audience (RFC 8693).

    Where `external`, that is the issuer identifier of another authorization server, where it may
    get `scopes` for a `resource`.
    """

    model_config = ConfigDict(frozen=True)

    client_id: str
    audience: str
    external: bool
    resource: str | None = None
    scopes: tuple[str, ...] = ()

    @property
    def acting(self) -> ActingClient:
        at = (self.client_id, self.audience, self.external)
        return ActingClient(*at, self.resource or "", self.scopes)


class Consent(BaseModel):
    """What a user allowed a client at an audience, or without one (`audience` is null).

    `scopes` are those of all `redirect_uris`, which are stored without ports on loopback.
    `acting`: which clients may act for the user with the token of the client, and where.
    """

    model_config = ConfigDict(frozen=True)

    client_id: str
    audience: str | None
    scopes: tuple[str, ...]
    openid_scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    acting: tuple[AllowedActor, ...]
    granted_at: datetime


class Consents:
    """The consents of users, within one transaction. `authority` None: the user acts."""

    def __init__(
        self, session: Session, trail: Trail, clock: Clock, authority: Authority | None = None
    ) -> None:
        self._store = ConsentStore(session)
        self._trail = trail
        self._clock = clock
        self._authority = authority
        self._revoker = SessionRevoker(session, trail, clock)

    def of_user(self, user_id: str) -> list[Consent]:
        """The consents of the user, in order of client and audience."""
        acting = self._store.acting_of_user(user_id)
        return [_read(row, acting.get(row.id, ())) for row in self._store.of_user(user_id)]

    def grant(self, allowed: AllowedAccess, **details: object) -> None:
        """Remember what the user allowed, in addition to what was allowed before."""
        self._store.add(allowed, self._clock())
        scope = " ".join(sorted(allowed.openid_scopes) + sorted(allowed.scopes))
        client = {"client_id": allowed.client_id, "audience": allowed.audience_id}
        about = {**client, "redirect_uri": allowed.redirect_uri, "scope": scope}
        actors = [each.model_dump(exclude_defaults=True) for each in _actors(allowed.acting)]
        acting = {"acting": actors} if actors else {}
        self._trail.note("consent.granted", allowed.user_id, **about, **acting, **details)

    def withdraw(self, user_id: str, client_id: str) -> None:
        """Withdraw what the user allowed the client, and end the client's tokens of that user."""
        if self._authority is not None:
            self._authority.authorize_change(principal=user_id)
        if not self._store.delete(user_id, client_id):
            raise NotFound("consent for the client", client_id)
        ended = self._revoker.client_of_user(user_id, client_id)
        self._trail.note("consent.withdrawn", user_id, client_id=client_id, **ended)


def _actors(acting: Iterable[ActingClient]) -> tuple[AllowedActor, ...]:
    return tuple(
        AllowedActor(
            client_id=actor.client_id,
            audience=actor.audience_id,
            external=actor.is_external,
            resource=actor.resource or None,
            scopes=actor.scopes,
        )
        for actor in sorted(acting)
    )


def _read(row: ConsentRow, acting: Iterable[ActingClient]) -> Consent:
    lists = {name: tuple(getattr(row, name)) for name in ("scopes", "openid_scopes")}
    more = {"audience": row.audience_id, "redirect_uris": tuple(row.redirects or ())}
    return as_model(Consent, row, **lists, **more, acting=_actors(acting))
