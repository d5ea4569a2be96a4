"""Passwords: argon2id, a policy without composition rules, renewal of old hashes, signing in.

Every failed sign-in has the same error and duration. `data/LICENSE-SecLists` is of the list there.
"""

import base64
import gzip
import unicodedata
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Literal

from argon2 import Parameters, PasswordHasher, profiles
from argon2.exceptions import InvalidHashError, VerificationError

from issuer.audit import Actor
from issuer.background.workers import low_priority_executor
from issuer.database import Database
from issuer.database.tables import UserRow
from issuer.directory import Directory, UserRecord
from issuer.errors import InvalidCredentials, InvalidField
from issuer.fields.usernames import fold_username
from issuer.users.guard import AttemptGuard
from issuer.users.store import UserStore

LIST = resources.files("issuer.users") / "data" / "common_passwords.txt.gz"
SHORTEST, LONGEST = 12, 256
# OWASP Password Storage Cheat Sheet: m=19456 (19 MiB), t=2, p=1.
OWASP = replace(profiles.RFC_9106_LOW_MEMORY, memory_cost=19_456, time_cost=2, parallelism=1)
_UNKNOWN_ACTOR = Actor()


def is_common(password: str) -> bool:
    """Whether `password` (NFC, at least 12 characters) is in the list, in whatever case."""
    # Read each time, for some milliseconds: passwords are set too rarely to keep it in memory.
    listed = gzip.decompress(LIST.read_bytes()).splitlines()
    return password.casefold().encode() in listed


def is_repetition(password: str) -> bool:
    """Whether it repeats one text; the last repetition may be incomplete."""
    folded = password.casefold()
    lengths = range(1, len(folded) // 2 + 1)
    return any(folded == (folded[:each] * len(folded))[: len(folded)] for each in lengths)


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password about to be set. Its `repr()` shows neither text nor hash."""

    text: str = field(repr=False)
    hash: str = field(repr=False)


class Passwords:
    """Hashes and verifies. Each call takes tens of milliseconds: never on the event loop.

    At most `workers` at a time, in threads of low priority; the caller's keeps its own.
    """

    def __init__(self, parameters: Literal["rfc9106", "owasp"], workers: int = 1) -> None:
        self._hashing = low_priority_executor("hashing", workers)
        chosen = OWASP if parameters == "owasp" else profiles.RFC_9106_LOW_MEMORY
        self._hasher = PasswordHasher.from_parameters(chosen)
        # Verified for unknown users, so that they take as long as existing ones.
        self._decoy = _decoy_hash(chosen)

    def prepared(self, password: str) -> NewPassword:
        """A password that the policy allows, hashed before a transaction locks rows to store it."""
        check_policy(password)
        text = unicodedata.normalize("NFC", password)
        return NewPassword(text, self.hash(text))

    def hash(self, password: str) -> str:
        """`password` (NFC) as an argon2id string with its parameters and salt."""
        text = unicodedata.normalize("NFC", password)
        return self._hashing.submit(self._hasher.hash, text).result()

    def matches(self, password: str, stored: str | None) -> bool:
        """Whether `stored` is a hash of `password`. Takes as long without one."""
        text = unicodedata.normalize("NFC", password)
        try:
            verifying = self._hashing.submit(self._hasher.verify, stored or self._decoy, text)
            verified = verifying.result()
        except (VerificationError, InvalidHashError):
            return False
        return verified and stored is not None

    def stop(self) -> None:
        self._hashing.shutdown(wait=False, cancel_futures=True)

    def is_outdated(self, stored: str) -> bool:
        """Whether `stored` was hashed with other parameters than the current ones."""
        return self._hasher.check_needs_rehash(stored)


def _decoy_hash(chosen: Parameters) -> str:
    """A hash as expensive to verify as any, but free to make at every start."""
    lengths = (chosen.salt_len, chosen.hash_len)
    salt, digest = (base64.b64encode(bytes(each)).decode().rstrip("=") for each in lengths)
    costs = f"m={chosen.memory_cost},t={chosen.time_cost},p={chosen.parallelism}"
    return f"$argon2id$v={chosen.version}${costs}${salt}${digest}"


def check_policy(password: str, username: str | None = None) -> None:
    """`InvalidField` unless the password may be set, by the user of that name.

    12 to 256 characters (NFC), no control characters, no common password, not the user name.
    """
    password = unicodedata.normalize("NFC", password)
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidField("password", f"must have {SHORTEST} to {LONGEST} characters")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in password):
        raise InvalidField("password", "must not contain control characters")
    if is_repetition(password):
        raise InvalidField("password", "must not be one text repeated")
    if is_common(password):
        raise InvalidField("password", "is too common; choose another")
    if username is not None:
        require_not_username(password, username)


def require_not_username(password: str, username: str) -> None:
    """`InvalidField` if it is the user name."""
    if fold_username(password) == fold_username(username):
        raise InvalidField("password", "may not be the user name")


@dataclass(eq=False, repr=False)
class SignIn:
    """Checks a password. Queries and hashes: call it from a worker, never the event loop."""

    _database: Database
    _directory: Directory
    _passwords: Passwords
    _guard: AttemptGuard
    second_factor_required: bool = field(default=False, kw_only=True)

    def authenticate(
        self,
        username: str,
        password: str,
        actor: Actor = _UNKNOWN_ACTOR,
        *,
        through_client: bool = False,
        may_wait: bool = False,
        is_all: bool = True,
    ) -> UserRecord:
        """The user with this name and password; `InvalidCredentials` otherwise.

        Also for a user who has a second factor, or must have one, if the password `is_all` that is
        presented. `actor` is the caller, with its address. Reads the database each time, so that a
        disabled user is refused at once, and again after hashing: changes made meanwhile count.

        `AttemptsUnderWay` if the outcome of concurrent attempts matters and the caller `may_wait`
        and retry. `through_client`: an authenticated client presents the password.
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
            user = self._check(found, password, is_admitted=attempt.is_admitted, is_all=is_all)
        if user.has_second_factor:
            self._guard.give_back(attempt)
        else:
            self._guard.end(attempt, actor, succeeded=True)
        if found and found.password_hash and self._passwords.is_outdated(found.password_hash):
            renewed = self._passwords.hash(password)
            with self._database.transaction() as session:
                UserStore(session).renew_hash(user.id, found.password_hash, renewed)
            return replace(user, password_hash=renewed)
        return user

    def authenticate_first_factor(
        self, username: str, password: str, actor: Actor = _UNKNOWN_ACTOR, *, may_wait: bool = False
    ) -> UserRecord:
        """The user, by password alone: a page asks for the second factor next."""
        return self.authenticate(username, password, actor, may_wait=may_wait, is_all=False)

    def _check(
        self, found: UserRow | None, password: str, *, is_admitted: bool, is_all: bool
    ) -> UserRecord:
        """Does the same work for an attempt that is already refused: timing must not tell."""
        stored, user_id = (found.password_hash, found.id) if found else (None, None)
        matches = self._passwords.matches(password, stored)
        user = self._directory.load_user(user_id or "")
        if not is_admitted:
            raise InvalidCredentials("locked", user_id)
        if user_id is None:
            raise InvalidCredentials("unknown user")
        if not matches or stored is None:
            raise InvalidCredentials("wrong password" if stored else "no password set", user_id)
        if user is None or user.password_hash != stored:
            raise InvalidCredentials("changed while signing in", user_id)
        self._require_usable(user, is_all=is_all)
        return user

    def _require_usable(self, user: UserRecord, *, is_all: bool) -> None:
        """`InvalidCredentials` if the user is disabled, or a password alone is not enough."""
        if user.disabled:
            raise InvalidCredentials("disabled user", user.id)
        if not is_all:
            return
        if self.second_factor_required or user.has_second_factor:
            raise InvalidCredentials("second factor required", user.id)
        if any(each.is_only_way for each in self._directory.issuers_of_people()):
            raise InvalidCredentials("people sign in at a trusted issuer alone", user.id)
