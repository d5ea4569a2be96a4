"""Beginning, finding and ending sessions."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random

from issuer.audit import Actor, Trail, Trails
from issuer.authority import Authority
from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.database.principals import new_id
from issuer.directory import UserRecord
from issuer.errors import InvalidCredentials, NotFound
from issuer.sign_in.ending import Ending
from issuer.sign_in.secret_texts import SecretTexts
from issuer.sign_in.session import SessionLifetimes, SignInSession
from issuer.sign_in.sessions_store import SessionStore

_NOTE_USE_EVERY = timedelta(minutes=1)
_MAX_USER_AGENT = 255


class SignInSessions:
    """For the person whose browser holds the cookie. Each call is a transaction of its own.

    A session also ends where all tokens of its user are revoked: at a new password, and where the
    user is disabled or deleted. `ended` is called after a session ended.
    """

    def __init__(
        self,
        database: Database,
        trails: Trails,
        clock: Clock,
        random: Random,
        cookies: SecretTexts,
        lifetimes: SessionLifetimes,
        ended: Callable[[], None],
    ) -> None:
        self._database = database
        self._trails = trails
        self._clock = clock
        self._random = random
        self._cookies = cookies
        self.lifetimes = lifetimes
        self._ended = ended

    def begin(
        self,
        user: UserRecord,
        methods: Sequence[str],
        actor: Actor,
        user_agent: str | None = None,
        *,
        second_factor_due: bool = False,
        renewing: SignInSession | None = None,
    ) -> tuple[SignInSession, str]:
        """A session for a user who has just proven to be that, and its cookie.

        `renewing` is the session that the browser had: the same one goes on, with a new cookie,
        if it is of the same user; else it ends. `InvalidCredentials` if the user was changed
        since `user` was read.
        """
        now = self._clock()
        session = SignInSession(
            id=new_id("session_", self._random),
            user_id=user.id,
            created_at=now,
            authenticated_at=now,
            used_at=now,
            methods=tuple(methods),
            address=actor.address,
            user_agent=_bounded(user_agent),
            second_factor_due=second_factor_due,
        )
        goes_on = renewing is not None and renewing.user_id == user.id and not second_factor_due
        if renewing is not None and goes_on:
            same = {"id": renewing.id, "created_at": renewing.created_at}
            session = session.model_copy(update=same)
        with self._database.changing() as transaction:
            if not SessionStore(transaction).is_user_unchanged(user.id, user.password_hash):
                raise InvalidCredentials("user changed during sign-in", user.id)
            trail = self._trails.begin(transaction, actor.known_as(user.id))
            if renewing is not None and renewing.user_id != user.id:
                Ending(transaction, trail, self._clock).session(renewing, with_offline=False)
            return self._stored(transaction, trail, session, is_new=not goes_on)

    def complete(
        self, session: SignInSession, methods: Sequence[str], actor: Actor
    ) -> tuple[SignInSession, str]:
        """The session after its second factor, with a new cookie; `InvalidCredentials` if ended."""
        now = self._clock()
        complete = session.model_copy(
            update={
                "methods": tuple(dict.fromkeys([*session.methods, *methods])),
                "authenticated_at": now,
                "used_at": now,
                "second_factor_due": False,
            }
        )
        with self._database.changing() as transaction:
            trail = self._trails.begin(transaction, actor.known_as(session.user_id))
            return self._stored(transaction, trail, complete, is_new=False)

    def find(self, cookie: str) -> SignInSession | None:
        """The active session of that cookie. Its use is noted, at most once a minute."""
        session = self._active(cookie)
        if session is None or session.second_factor_due:
            return None
        now = self._clock()
        if now - session.used_at >= _NOTE_USE_EVERY:
            with self._database.transaction() as transaction:
                SessionStore(transaction).note_use(session.id, now)
        return session

    def find_second_factor_due(self, cookie: str) -> SignInSession | None:
        """The session of that cookie, if it waits for its second factor."""
        session = self._active(cookie)
        return session if session is not None and session.second_factor_due else None

    def sign_out(self, session: SignInSession, actor: Actor) -> None:
        """End the session with its tokens, but for refresh tokens with `offline_access`."""
        self._end(session, actor, with_offline=False)

    def end(self, session: SignInSession, actor: Actor) -> None:
        """End the session with all its tokens, as its user asked on another page."""
        self._end(session, actor, with_offline=True)

    def of_user(self, user_id: str) -> list[SignInSession]:
        """The active sessions of the user, newest first."""
        with self._database.reading() as transaction:
            sessions = SessionStore(transaction).of_user(user_id)
        return _active(sessions, self.lifetimes, self._clock)

    def delete_expired(self) -> None:
        """Delete expired and ended sessions, some at a time."""
        more = True
        while more:
            with self._database.changing() as transaction:
                more = SessionStore(transaction).delete_expired(self.lifetimes, self._clock())

    def _active(self, cookie: str) -> SignInSession | None:
        if (digest := self._cookies.digest(cookie)) is None:
            return None
        with self._database.reading() as transaction:
            session = SessionStore(transaction).find(digest)
        return session if session and session.is_active(self.lifetimes, self._clock()) else None

    def _stored(
        self, transaction: Session, trail: Trail, session: SignInSession, *, is_new: bool
    ) -> tuple[SignInSession, str]:
        cookie = self._cookies.new()
        digest = self._cookies.digest(cookie) or b""
        store = SessionStore(transaction)
        if is_new:
            store.add(session, digest)
        elif not store.replace(session, digest):
            raise InvalidCredentials("the session has ended", session.user_id)
        if not session.second_factor_due:
            trail.note(
                "session.began",
                session.user_id,
                session=session.id,
                methods=list(session.methods),
            )
        return session, cookie

    def _end(self, session: SignInSession, actor: Actor, *, with_offline: bool) -> None:
        with self._database.changing() as transaction:
            trail = self._trails.begin(transaction, actor)
            Ending(transaction, trail, self._clock).session(session, with_offline=with_offline)
        self._ended()


class Sessions:
    """The sessions of users, for operators, within one transaction."""

    def __init__(
        self,
        session: Session,
        trail: Trail,
        clock: Clock,
        authority: Authority,
        lifetimes: SessionLifetimes,
    ) -> None:
        self._store = SessionStore(session)
        self._ending = Ending(session, trail, clock)
        self._clock = clock
        self._authority = authority
        self._lifetimes = lifetimes

    def of_user(self, user_id: str) -> list[SignInSession]:
        """The active sessions of the user, newest first."""
        return _active(self._store.of_user(user_id), self._lifetimes, self._clock)

    def get(self, user_id: str, session_id: str) -> SignInSession:
        for session in self.of_user(user_id):
            if session.id == session_id:
                return session
        raise NotFound("session", session_id)

    def end(self, user_id: str, session_id: str) -> None:
        """End a session of the user with all its tokens."""
        session = self.get(user_id, session_id)
        self._authority.authorize_change(principal=user_id)
        self._ending.session(session, with_offline=True)


def _active(
    sessions: Sequence[SignInSession], lifetimes: SessionLifetimes, clock: Clock
) -> list[SignInSession]:
    now = clock()
    return [each for each in sessions if each.is_active(lifetimes, now)]


def _bounded(user_agent: str | None) -> str | None:
    """Text from outside, as both databases can keep it."""
    if user_agent is None:
        return None
    return "".join(c for c in user_agent if c.isprintable())[:_MAX_USER_AGENT]
