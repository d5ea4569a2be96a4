"""The second factor of a sign-in: every wrong code has the same error and duration."""

import hashlib
import hmac
from dataclasses import dataclass
from random import Random

from issuer.audit import Actor, Trails
from issuer.clock import Clock
from issuer.database import Database
from issuer.directory import Directory
from issuer.errors import InvalidCredentials
from issuer.sign_in.factors_store import FactorStore
from issuer.sign_in.totp import TotpSecrets
from issuer.users.guard import AttemptGuard

NUMBER = 10
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no letter looks like another
_READ_AS = str.maketrans("oil", "011", " -")
_GROUPS, _GROUP = 3, 4  # 60 bits


class RecoveryCodes:
    """Makes codes and digests. `random` must be a cryptographic source."""

    def __init__(self, hmac_key: bytes, random: Random) -> None:
        self._hmac_key = hmac_key
        self._random = random

    def new(self) -> list[str]:
        """A set of codes such as `3f9k-x0mq-72ta`."""
        return ["-".join(self._group() for _ in range(_GROUPS)) for _ in range(NUMBER)]

    def digest(self, user_id: str, code: str) -> bytes:
        """The stored digest of the user's code, however it is typed."""
        typed = code.lower().translate(_READ_AS)
        message = f"{user_id}\n{typed}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._hmac_key, message, hashlib.sha256)

    def _group(self) -> str:
        return "".join(self._random.choice(_ALPHABET) for _ in range(_GROUP))


_METHODS = ("otp", "mfa")  # RFC 8176
_MAX_CODE = 64


@dataclass(frozen=True, slots=True)
class UsedCode:
    """The methods of authentication (RFC 8176); how many codes are left after a recovery code."""

    methods: tuple[str, ...]
    recovery_codes_left: int | None = None


@dataclass(frozen=True, slots=True)
class _Match:
    """What a code matches: a time step of the app, or a recovery code."""

    step: int | None
    recovery_digest: bytes | None


class SecondFactor:
    """Checks codes of authenticator apps and recovery codes. Queries: call it from a worker."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        directory: Directory,
        guard: AttemptGuard,
        trails: Trails,
        totp: TotpSecrets,
        recovery_codes: RecoveryCodes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._directory = directory
        self._guard = guard
        self._trails = trails
        self._totp = totp
        self._recovery_codes = recovery_codes

    def check_code(
        self, user_id: str, code: str, actor: Actor, *, may_wait: bool = False
    ) -> UsedCode:
        """Use the code of an app, or a recovery code; `InvalidCredentials` for any other.

        An attempt of the user, by the policy for passwords. `AttemptsUnderWay` if the outcome of
        concurrent attempts matters and the caller `may_wait` and retry.
        """
        with self._guard.attempting(user_id, "", actor, may_wait=may_wait) as attempt:
            match = self._matching(user_id, code[:_MAX_CODE].strip())
            used = self._used(user_id, match, actor, is_admitted=attempt.is_admitted)
        self._guard.end(attempt, actor, succeeded=True)
        return used

    def _matching(self, user_id: str, code: str) -> _Match:
        """Uses nothing: a refused attempt must not use up a code."""
        digest = self._recovery_codes.digest(user_id, code)
        with self._database.reading() as session:
            store = FactorStore(session)
            totp = store.totp(user_id)
            is_recovery = store.has_recovery_code(user_id, digest)
        sealed = totp.sealed if totp else None
        step = self._totp.matching_step(sealed, user_id, code, self._clock())
        return _Match(step, digest if is_recovery else None)

    def _used(self, user_id: str, match: _Match, actor: Actor, *, is_admitted: bool) -> UsedCode:
        user = self._directory.load_user(user_id)
        if not is_admitted:
            raise InvalidCredentials("locked", user_id)
        if user is None or user.disabled:
            raise InvalidCredentials("disabled user", user_id)
        if match.step is not None:
            with self._database.transaction() as session:
                if FactorStore(session).use_step(user_id, match.step, self._clock()):
                    return UsedCode(_METHODS)
            raise InvalidCredentials("code used before", user_id)
        if match.recovery_digest is not None:
            return self._used_recovery_code(user_id, match.recovery_digest, actor)
        raise InvalidCredentials("wrong code", user_id)

    def _used_recovery_code(self, user_id: str, digest: bytes, actor: Actor) -> UsedCode:
        with self._database.changing() as session:
            store = FactorStore(session)
            if not store.use_recovery_code(user_id, digest):
                raise InvalidCredentials("code used before", user_id)
            left = store.recovery_codes_left(user_id)
            trail = self._trails.begin(session, actor.known_as(user_id))
            trail.note("factor.recovery_code_used", user_id, left=left)
        return UsedCode(_METHODS, left)
