"""Signing in with a password: one error and one duration for everything that can be wrong."""

from issuer.database import Database
from issuer.errors import InvalidCredentials
from issuer.users.passwords import Passwords
from issuer.users.store import UserStore


class SignIn:
    """Checks a password. Queries and hashes: call it from a worker, never the event loop."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    def authenticate(self, username: str, password: str) -> str:
        """The id of the user who has this name and password; `InvalidCredentials` otherwise.

        Reads the database each time, so that a disabled user is refused at once.
        """
        with self._database.reading() as session:
            user = UserStore(session).find_by_username(username)
        kept = user.password_hash if user else None
        matches = self._passwords.matches(password, kept)
        if user is None:
            raise InvalidCredentials("unknown user")
        if not matches or kept is None:
            raise InvalidCredentials("wrong password" if kept else "no password set")
        if user.disabled:
            raise InvalidCredentials("disabled user")
        if self._passwords.is_outdated(kept):
            self._renew(user.id, kept, password)
        return user.id

    def _renew(self, user_id: str, kept: str, password: str) -> None:
        renewed = self._passwords.hash(password)
        with self._database.transaction() as session:
            UserStore(session).renew_hash(user_id, kept, renewed)
