"""Signing in with a password: one error and one duration for everything that can be wrong."""

from dataclasses import replace

from issuer.database import Database
from issuer.directory import Directory, UserRecord
from issuer.errors import InvalidCredentials
from issuer.users.passwords import Passwords
from issuer.users.store import UserStore


class SignIn:
    """Checks a password. Queries and hashes: call it from a worker, never the event loop."""

    def __init__(self, database: Database, directory: Directory, passwords: Passwords) -> None:
        self._database = database
        self._directory = directory
        self._passwords = passwords

    def authenticate(self, username: str, password: str) -> UserRecord:
        """The user who has this name and password; `InvalidCredentials` otherwise.

        Reads the database each time, so that a disabled user is refused at once, and again
        after the hash: what was changed meanwhile counts.
        """
        with self._database.reading() as session:
            found = UserStore(session).find_by_username(username)
        kept = found.password_hash if found else None
        matches = self._passwords.matches(password, kept)
        user = self._directory.load_user(found.id if found else "")
        if found is None:
            raise InvalidCredentials("unknown user")
        if not matches or kept is None:
            raise InvalidCredentials("wrong password" if kept else "no password set", found.id)
        if user is None or user.password_hash != kept:
            raise InvalidCredentials("changed while signing in", found.id)
        if user.disabled:
            raise InvalidCredentials("disabled user", found.id)
        if self._passwords.is_outdated(kept):
            return self._renewed(user, kept, password)
        return user

    def _renewed(self, user: UserRecord, kept: str, password: str) -> UserRecord:
        renewed = self._passwords.hash(password)
        with self._database.transaction() as session:
            UserStore(session).renew_hash(user.id, kept, renewed)
        return replace(user, password_hash=renewed)
