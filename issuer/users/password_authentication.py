"""Signing in with a password: every failure has the same error and duration."""

from dataclasses import replace

from issuer.audit import Actor
from issuer.database import Database
from issuer.database.tables import UserRow
from issuer.directory import Directory, UserRecord
from issuer.errors import InvalidCredentials
from issuer.users.guard import AttemptGuard
from issuer.users.passwords import Passwords
from issuer.users.store import UserStore

_UNKNOWN_ACTOR = Actor()


class SignIn:
    """Checks a password. Queries and hashes: call it from a worker, never the event loop."""

    def __init__(
        self,
        database: Database,
        directory: Directory,
        passwords: Passwords,
        guard: AttemptGuard,
        *,
        second_factor_required: bool = False,
    ) -> None:
        self._database = database
        self._directory = directory
        self._passwords = passwords
        self._guard = guard
        self._second_factor_required = second_factor_required

    def authenticate(
        self,
        username: str,
        password: str,
        actor: Actor = _UNKNOWN_ACTOR,
        *,
        through_client: bool = False,
        may_wait: bool = False,
    ) -> UserRecord:
        """The user with this name and password; `InvalidCredentials` otherwise.

        Also for a user who has a second factor, or must have one: a password is not enough.

        `AttemptsUnderWay` if the outcome of concurrent attempts matters and the caller `may_wait`
        and retry. `through_client`: an authenticated client presents the password.
        """
        return self._authenticate(
            username,
            password,
            actor,
            through_client=through_client,
            may_wait=may_wait,
            is_all=True,
        )

    def authenticate_first_factor(
        self, username: str, password: str, actor: Actor = _UNKNOWN_ACTOR, *, may_wait: bool = False
    ) -> UserRecord:
        """The same, where a page asks for the second factor next."""
        return self._authenticate(
            username, password, actor, through_client=False, may_wait=may_wait, is_all=False
        )

    def _authenticate(
        self,
        username: str,
        password: str,
        actor: Actor,
        *,
        through_client: bool,
        may_wait: bool,
        is_all: bool,
    ) -> UserRecord:
        """Reads the database each time, so that a disabled user is refused at once, and again after
        hashing: changes made meanwhile count. `actor` is the caller, with its address.
        """
        with self._database.reading() as session:
            found = UserStore(session).find_by_username(username)
        with self._guard.attempting(
            found.id if found else None,
            username,
            actor,
            may_wait=may_wait,
            counts_address=not through_client,
        ) as attempt:
            user = self._checked(found, password, is_admitted=attempt.is_admitted, is_all=is_all)
        if user.has_second_factor:
            self._guard.give_back(attempt)
        else:
            self._guard.end(attempt, actor, succeeded=True)
        if found and found.password_hash and self._passwords.is_outdated(found.password_hash):
            return self._renewed(user, found.password_hash, password)
        return user

    def _checked(
        self, found: UserRow | None, password: str, *, is_admitted: bool, is_all: bool
    ) -> UserRecord:
        """Does the same work for an attempt that is already refused: timing must not tell."""
        stored = found.password_hash if found else None
        matches = self._passwords.matches(password, stored)
        user = self._directory.load_user(found.id if found else "")
        if not is_admitted:
            raise InvalidCredentials("locked", found.id if found else None)
        if found is None:
            raise InvalidCredentials("unknown user")
        if not matches or stored is None:
            raise InvalidCredentials("wrong password" if stored else "no password set", found.id)
        if user is None or user.password_hash != stored:
            raise InvalidCredentials("changed while signing in", found.id)
        if user.disabled:
            raise InvalidCredentials("disabled user", found.id)
        if is_all and (self._second_factor_required or user.has_second_factor):
            raise InvalidCredentials("second factor required", found.id)
        return user

    def _renewed(self, user: UserRecord, old_hash: str, password: str) -> UserRecord:
        renewed = self._passwords.hash(password)
        with self._database.transaction() as session:
            UserStore(session).renew_hash(user.id, old_hash, renewed)
        return replace(user, password_hash=renewed)
