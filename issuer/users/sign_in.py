"""Signing in with a password: one error and one duration for everything that can be wrong."""

from dataclasses import replace

from issuer.audit import Actor
from issuer.database import Database
from issuer.database.tables import UserRow
from issuer.directory import Directory, UserRecord
from issuer.errors import InvalidCredentials
from issuer.users.guard import AttemptsUnderWay, Guard
from issuer.users.passwords import Passwords
from issuer.users.store import UserStore

_SOMEBODY = Actor()


class SignIn:
    """Checks a password. Queries and hashes: call it from a worker, never the event loop."""

    def __init__(
        self, database: Database, directory: Directory, passwords: Passwords, guard: Guard
    ) -> None:
        self._database = database
        self._directory = directory
        self._passwords = passwords
        self._guard = guard

    def authenticate(
        self,
        username: str,
        password: str,
        actor: Actor = _SOMEBODY,
        *,
        through_client: bool = False,
        may_wait: bool = False,
    ) -> UserRecord:
        """The user who has this name and password; `InvalidCredentials` otherwise.

        `AttemptsUnderWay` if the caller `may_wait` and ask again. `through_client` is whether a
        client that has authenticated presents the password.

        Reads the database each time, so that a disabled user is refused at once, and again
        after the hash: what was changed meanwhile counts. `actor` is who asks, and from where.
        """
        with self._database.reading() as session:
            found = UserStore(session).find_by_username(username)
        # Before the check, so that a crash never grants a free guess.
        attempt = self._guard.begin(
            found.id if found else None,
            username,
            actor.address,
            counts_address=not through_client,
        )
        if attempt.waits and may_wait:
            raise AttemptsUnderWay
        try:
            user = self._checked(found, password, is_admitted=attempt.is_admitted)
        except InvalidCredentials:
            self._guard.end(attempt, actor, succeeded=False)
            raise
        self._guard.end(attempt, actor, succeeded=True)
        if found and found.password_hash and self._passwords.is_outdated(found.password_hash):
            return self._renewed(user, found.password_hash, password)
        return user

    def _checked(self, found: UserRow | None, password: str, *, is_admitted: bool) -> UserRecord:
        """Always the same work, also for one who is refused already: time must not tell."""
        kept = found.password_hash if found else None
        matches = self._passwords.matches(password, kept)
        user = self._directory.load_user(found.id if found else "")
        if not is_admitted:
            raise InvalidCredentials("locked", found.id if found else None)
        if found is None:
            raise InvalidCredentials("unknown user")
        if not matches or kept is None:
            raise InvalidCredentials("wrong password" if kept else "no password set", found.id)
        if user is None or user.password_hash != kept:
            raise InvalidCredentials("changed while signing in", found.id)
        if user.disabled:
            raise InvalidCredentials("disabled user", found.id)
        return user

    def _renewed(self, user: UserRecord, kept: str, password: str) -> UserRecord:
        renewed = self._passwords.hash(password)
        with self._database.transaction() as session:
            UserStore(session).renew_hash(user.id, kept, renewed)
        return replace(user, password_hash=renewed)
