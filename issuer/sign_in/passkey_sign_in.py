"""Signing in with a passkey, alone or after a password: one error for every wrong answer."""

from dataclasses import dataclass

from issuer.audit import Actor
from issuer.clock import Clock
from issuer.database import Database
from issuer.directory import Directory, UserRecord
from issuer.errors import InvalidCredentials
from issuer.sign_in.challenges import Answer, credential_id
from issuer.sign_in.factors_store import FactorStore
from issuer.sign_in.passkeys import PasskeyProof, Passkeys, StoredPasskey
from issuer.users.guard import AttemptGuard

_UNKNOWN = "passkey"  # counted as one unknown user name


@dataclass(frozen=True, slots=True)
class PasskeyUse:
    """Who has signed in, with which passkey, by which methods of authentication (RFC 8176)."""

    user: UserRecord
    methods: tuple[str, ...]
    credential_id: bytes


@dataclass(eq=False, repr=False)
class PasskeySignIn:
    """Checks passkeys, in a worker. `browser` is a secret value that only this browser holds.

    `user_id` is that of the user whose password was right, for a second factor.
    """

    _database: Database
    _clock: Clock
    _directory: Directory
    _guard: AttemptGuard
    _passkeys: Passkeys

    def begin(self, browser: str, user_id: str | None = None) -> str:
        """JSON for `navigator.credentials.get()`. Writes nothing."""
        if user_id is None:
            return self._passkeys.authentication_options(browser)
        with self._database.reading() as session:
            allowed = FactorStore(session).passkeys(user_id)
        return self._passkeys.authentication_options(browser, allowed, user_id)

    def finish(
        self,
        answer: Answer,
        browser: str,
        actor: Actor,
        user_id: str | None = None,
        *,
        may_wait: bool = False,
    ) -> PasskeyUse:
        """Who answered `begin`; `InvalidCredentials`. A passkey alone must verify the user."""
        with self._database.reading() as session:
            passkey = FactorStore(session).find_passkey(credential_id(answer))
        known = user_id or (passkey.user_id if passkey else None)
        with self._guard.attempting(known, _UNKNOWN, actor, may_wait=may_wait) as attempt:
            if passkey is None or user_id not in {None, passkey.user_id}:
                raise InvalidCredentials("unknown passkey", user_id)
            proof = self._passkeys.verify_authentication(answer, passkey, browser, user_id)
            use = self._use(passkey, proof, is_admitted=attempt.is_admitted)
        self._guard.end(attempt, actor, succeeded=True)
        return use

    def _use(self, passkey: StoredPasskey, proof: PasskeyProof, *, is_admitted: bool) -> PasskeyUse:
        if not is_admitted:
            raise InvalidCredentials("locked", passkey.user_id)
        user = self._directory.load_user(passkey.user_id)
        if user is None or user.disabled:
            raise InvalidCredentials("disabled user", passkey.user_id)
        with self._database.transaction() as session:
            store = FactorStore(session)
            if not store.use_challenge(proof.challenge):
                raise InvalidCredentials("passkey: answered before", passkey.user_id)
            if not store.use_passkey(passkey, proof.sign_count, self._clock()):
                raise InvalidCredentials("passkey: used or removed meanwhile", passkey.user_id)
        return PasskeyUse(user, proof.methods, passkey.credential_id)
