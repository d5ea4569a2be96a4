"""Beginning, finding and ending sessions; forms that count once, however often they are sent."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from issuer.audit import Actor, Trail, Trails
from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.database.store import new_id
from issuer.directory import Directory, UserRecord
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import InvalidCredentials, NotAllowed
from issuer.fields.secret_text import SecretTexts
from issuer.refresh_tokens import Lifetimes
from issuer.scopes import ISSUER_ADMIN, covers
from issuer.sign_in.challenges import Challenge
from issuer.sign_in.factors_store import FactorStore
from issuer.sign_in.session_revoker import SessionRevoker
from issuer.sign_in.sessions_store import SessionStore, SignInSession, active, bound_text

_NOTE_USE_EVERY = timedelta(minutes=1)
# Sent forms, after their session. A form counts no longer: the next sign-in ends its session, and
# it is kept for ten minutes while the person signs in again.
_SENT_FORMS_KEPT_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ProviderProof:
    """An account, when somebody signed in with it, its `sid` there, and why it has no groups.

    `sign_out` is what signing out there needs, sealed.
    """

    identity_id: str
    authenticated_at: datetime
    session_id: str | None
    no_groups: str = ""
    sign_out: str | None = field(default=None, repr=False)


@dataclass(eq=False, repr=False)
class SignInSessions:
    """For the person whose browser holds the cookie. Each call is a transaction of its own.

    Only requests of that browser use the session: an application that refreshes its tokens does
    not. A session also ends where all tokens of its user are revoked: at a new password, and where
    the user is disabled or deleted. `ended` is called after a session ended. Where a second factor
    is required, a session that began without one opens nothing: the person signs in again. So does
    one that began elsewhere where a trusted issuer is the only way to sign in.
    """

    _issuer: str
    _database: Database
    _directory: Directory
    _trails: Trails
    _clock: Clock
    _random: Random
    _cookies: SecretTexts
    lifetimes: Lifetimes
    _ended: Callable[[], None]
    second_factor_required: bool = field(kw_only=True)

    def begin(
        self,
        user: UserRecord,
        methods: Sequence[str],
        actor: Actor,
        user_agent: str | None = None,
        *,
        second_factor_due: bool = False,
        renewing: SignInSession | None = None,
        passkey: bytes | None = None,
        provider: ProviderProof | None = None,
    ) -> tuple[SignInSession, str]:
        """A session for a user who has just proven to be that, and its cookie.

        `renewing` is the session that the browser had: the same one goes on, with a new cookie,
        if it is of the same user; else it ends. With `second_factor_due` it goes on when that
        is done. `passkey` is the credential id of the one that was used, `provider` what a trusted
        issuer said. `InvalidCredentials` if the user was changed since `user` was read, or the
        passkey was removed, or the account unlinked, or the trusted issuer disabled.
        """
        now = self._clock()
        session = SignInSession(
            id=new_id("session_", self._random),
            user_id=user.id,
            created_at=now,
            authenticated_at=now if provider is None else min(provider.authenticated_at, now),
            used_at=now,
            methods=tuple(methods),
            address=actor.address,
            user_agent=bound_text(user_agent),
            second_factor_due=second_factor_due,
            identity_id=provider.identity_id if provider else None,
            provider_session=provider.session_id if provider else None,
            provider_sign_out=provider.sign_out if provider else None,
        )
        with self._database.changing() as transaction:
            store = SessionStore(transaction)
            if change := _change_during_sign_in(store, user, passkey, provider):
                raise InvalidCredentials(f"{change} during sign-in", user.id)
            trail = self._trails.begin(transaction, actor.known_as(user.id))
            earlier = self._goes_on(store, renewing)
            if earlier is not None and earlier.user_id != user.id:
                SessionRevoker(transaction, trail, self._clock).session(earlier, with_offline=False)
                earlier = None
            if second_factor_due:
                return session, self._add(store, session, earlier)
            if earlier is None:
                cookie = self._add(store, session)
            else:
                session = session.continuing(earlier)
                cookie = self._replace(store, session)
            _note_began(trail, session, provider.no_groups if provider else "")
            return session, cookie

    def complete(
        self, session: SignInSession, methods: Sequence[str], actor: Actor
    ) -> tuple[SignInSession, str]:
        """The session after its second factor, with a new cookie; `InvalidCredentials` if ended.

        An earlier session of the same user in the browser goes on.
        """
        now = self._clock()
        both = tuple(dict.fromkeys([*session.methods, *methods]))
        now_proven = {"methods": both, "authenticated_at": now, "used_at": now}
        complete = session.model_copy(update={**now_proven, "second_factor_due": False})
        with self._database.changing() as transaction:
            store = SessionStore(transaction)
            if (earlier := self._continue(store, session)) is not None:
                complete = complete.continuing(earlier)
                if not store.delete(session.id):
                    raise InvalidCredentials("the session has ended", session.user_id)
            cookie = self._replace(store, complete)
            trail = self._trails.begin(transaction, actor.known_as(session.user_id))
            _note_began(trail, complete)
            return complete, cookie

    def find(self, cookie: str) -> SignInSession | None:
        """The active session of that cookie. Its use is noted, at most once a minute."""
        session = self.of_browser(cookie)
        if session is None or session.second_factor_due:
            return None
        if self.second_factor_required and "mfa" not in session.methods:
            return None
        if not self._began_where_required(session):
            return None
        now = self._clock()
        if now - session.used_at >= _NOTE_USE_EVERY:
            with self._database.transaction() as transaction:
                SessionStore(transaction).note_use(session.id, now)
        return session

    def find_second_factor_due(self, cookie: str) -> SignInSession | None:
        """The session of that cookie, if it waits for its second factor."""
        session = self.of_browser(cookie)
        if session is None or not session.second_factor_due:
            return None
        return session if session.is_active(self.lifetimes, self._clock()) else None

    def only_way_of(self, user: UserRecord) -> TrustedIssuerRecord | None:
        """The trusted issuer where the user must sign in; None if other ways are open to them."""
        issuers = self._directory.issuers_of_people()
        only = next((each for each in issuers if each.is_only_way), None)
        if only is None:
            return None
        held = user.rights.at(self._directory.load_audience(self._issuer))
        return None if covers(held, ISSUER_ADMIN) else only

    def _began_where_required(self, session: SignInSession) -> bool:
        user = self._directory.load_user(session.user_id)
        only = self.only_way_of(user) if user else None
        if only is None:
            return True
        with self._database.reading() as transaction:
            return SessionStore(transaction).is_at(session, only.id)

    def sign_out(self, session: SignInSession, actor: Actor) -> None:
        """End the session, or what it would continue, but for tokens with `offline_access`."""
        with self._database.changing() as transaction:
            ended = self._goes_on(SessionStore(transaction), session)
            if ended is not None:
                trail = self._trails.begin(transaction, actor)
                SessionRevoker(transaction, trail, self._clock).session(ended, with_offline=False)
        self._ended()

    def of_user(self, user_id: str) -> list[SignInSession]:
        """The active sessions of the user, newest first."""
        with self._database.reading() as transaction:
            sessions = SessionStore(transaction).of_user(user_id)
        return active(sessions, self.lifetimes, self._clock())

    def delete_expired(self) -> None:
        """Delete expired and ended sessions, some at a time."""

        def delete(transaction: Session) -> bool:
            return SessionStore(transaction).delete_expired(self.lifetimes, self._clock())

        self._database.in_batches(delete, changing=True)

    def of_browser(self, cookie: str) -> SignInSession | None:
        """The active session of that cookie, also one whose second factor is or was due."""
        if (digest := self._cookies.digest(cookie)) is None:
            return None
        with self._database.reading() as transaction:
            session = SessionStore(transaction).find(digest)
        if session is None or session.second_factor_due:
            return session
        return session if session.is_active(self.lifetimes, self._clock()) else None

    def _goes_on(self, store: SessionStore, renewing: SignInSession | None) -> SignInSession | None:
        if renewing is None or not renewing.second_factor_due:
            return renewing
        earlier = self._continue(store, renewing)
        store.delete(renewing.id)
        return earlier

    def _continue(self, store: SessionStore, due: SignInSession) -> SignInSession | None:
        earlier = store.continued_session(due)
        is_active = earlier is not None and earlier.is_active(self.lifetimes, self._clock())
        return earlier if is_active else None

    def _add(
        self, store: SessionStore, session: SignInSession, continues: SignInSession | None = None
    ) -> str:
        cookie, digest = self._cookies.new()
        store.add(session, digest, continues.id if continues else None)
        return cookie

    def _replace(self, store: SessionStore, session: SignInSession) -> str:
        cookie, digest = self._cookies.new()
        if not store.replace(session, digest):
            raise InvalidCredentials("the session has ended", session.user_id)
        return cookie


def _change_during_sign_in(
    store: SessionStore, user: UserRecord, passkey: bytes | None, provider: ProviderProof | None
) -> str:
    """What ended the proof that the user has just given; empty if nothing did."""
    if not store.is_user_unchanged(user.id, user.password_hash):
        return "user changed"
    if passkey is not None and not FactorStore(store.session).find_passkey(passkey):
        return "passkey removed"
    if provider is not None and not store.has_identity(provider.identity_id, user.id):
        return "account unlinked or trusted issuer disabled"
    return ""


def _note_began(trail: Trail, session: SignInSession, no_groups: str = "") -> None:
    details: dict[str, object] = {"session": session.id, "methods": list(session.methods)}
    if session.identity_id is not None:
        details["identity"] = session.identity_id
    if no_groups:
        details["reason"] = no_groups
    trail.note("session.began", session.user_id, **details)


class AlreadySent(NotAllowed):
    """The form was sent before, and what it asks for was done then."""

    def __init__(self) -> None:
        super().__init__("What this form asks for was done when it was sent first.")


class SentForms:
    """The forms that were sent, within one transaction. `once` is the random text of a form."""

    def __init__(self, session: Session, clock: Clock, lifetimes: Lifetimes) -> None:
        self._store = FactorStore(session)
        self._remembered_until = clock() + lifetimes.longest + _SENT_FORMS_KEPT_FOR

    def require_first(self, once: str) -> None:
        """Call before the change; `AlreadySent` if a change with this text was committed."""
        digest = hashlib.sha256(f"form {once}".encode()).digest()
        if not self._store.use_challenge(Challenge(digest, self._remembered_until)):
            raise AlreadySent
