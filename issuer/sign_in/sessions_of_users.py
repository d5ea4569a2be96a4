"""Listing and ending the sessions of users."""

from issuer.audit import Trail
from issuer.authority import Authority
from issuer.clock import Clock
from issuer.database import Session
from issuer.errors import InvalidCredentials, NotFound
from issuer.refresh_tokens import Lifetimes
from issuer.sign_in.ending import Ending
from issuer.sign_in.session import SignInSession, active
from issuer.sign_in.sessions_store import SessionStore


class Sessions:
    """The sessions of users, for operators, within one transaction."""

    def __init__(
        self,
        session: Session,
        trail: Trail,
        clock: Clock,
        authority: Authority,
        lifetimes: Lifetimes,
    ) -> None:
        self._store = SessionStore(session)
        self._ending = Ending(session, trail, clock)
        self._clock = clock
        self._authority = authority
        self._lifetimes = lifetimes

    def of_user(self, user_id: str) -> list[SignInSession]:
        """The active sessions of the user, newest first."""
        return active(self._store.of_user(user_id), self._lifetimes, self._clock())

    def get(self, user_id: str, session_id: str) -> SignInSession:
        for session in self.of_user(user_id):
            if session.id == session_id:
                return session
        raise NotFound("session", session_id)

    def require(self, session: SignInSession) -> None:
        """`InvalidCredentials` if the session has ended since it was read."""
        if self._store.get(session.user_id, session.id) is None:
            raise InvalidCredentials("the session has ended", session.user_id)

    def end(self, user_id: str, session_id: str) -> None:
        """End a session of the user with all its tokens."""
        session = self.get(user_id, session_id)
        self._authority.authorize_change(principal=user_id)
        self._ending.session(session, with_offline=True)
