"""The second factor of a sign-in: codes of an authenticator app, recovery codes.

Every wrong code has the same error and duration. App codes are of RFC 6238: 6 digits, 30 s, SHA-1.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from issuer.audit import Actor, Trails
from issuer.clock import Clock
from issuer.database import Database
from issuer.directory import Directory
from issuer.errors import ConfigurationError, InvalidCredentials
from issuer.keys.sealing import Sealer
from issuer.sign_in.factors_store import FactorStore
from issuer.users.guard import AttemptGuard

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_CHARACTERS = 32  # 160 bits, as RFC 4226 §4 recommends
_STEPS_APART = 1  # how far the clock of the app may be off, in steps of 30 s
_RECOVERY_CODES = 10
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no letter looks like another
_READ_AS = str.maketrans("oil", "011", " -")
_GROUPS, _GROUP = 3, 4  # 60 bits
_METHODS = ("otp", "mfa")  # RFC 8176
_MAX_CODE = 64


@dataclass(frozen=True, slots=True)
class TotpSetup:
    """What an authenticator app must be told. `uri` is for a QR code, `secret` to be typed.

    `sealed` is the secret as its page carries it: nothing is stored before a code proves it.
    """

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    sealed: str = field(repr=False)


class TotpSecrets:
    """Makes, seals and opens secrets, and checks codes. `random` is a cryptographic source."""

    def __init__(self, sealer: Sealer, random: Random, issuer_name: str) -> None:
        self._sealer = sealer
        self._random = random
        self._issuer_name = issuer_name
        # Checked for users without a secret, so that they take as long.
        self._decoy = self._new()

    def begin(self, user_id: str, username: str) -> TotpSetup:
        """A new secret for the app, under the user's name."""
        secret = self._new().encode()
        box = self._sealer.seal(secret, _name(user_id), self._sealer.newest)
        return self._setup(box, user_id, username)

    def resume(self, sealed: str, user_id: str, username: str) -> TotpSetup | None:
        """What was begun for the user; None for any other text."""
        try:
            return self._setup(self.box(sealed), user_id, username)
        except (ConfigurationError, ValueError):
            return None

    def box(self, sealed: str) -> bytes:
        """The sealed secret as it is stored; `ValueError` if it is no base64url."""
        return base64.b64decode(sealed, altchars=b"-_", validate=True)

    def matching_step(
        self, sealed: bytes | None, user_id: str, code: str, now: datetime
    ) -> int | None:
        """The time step that `code` is of, at most one away from `now`; None for a wrong code.

        Takes as long without a secret. Spaces in the code do not count.
        """
        from pyotp import TOTP  # noqa: PLC0415 - for people
        from pyotp.exceptions import OTPVerificationError  # noqa: PLC0415 - for people

        secret = self._decoy if sealed is None else self._open(sealed, user_id)
        typed = code.replace(" ", "")
        digits = typed if typed.isascii() else ""
        try:
            check = TOTP(secret).verify_and_get_timecode
            step = check(digits, for_time=now, valid_window=_STEPS_APART)
        except OTPVerificationError:
            return None
        return None if sealed is None else step

    def _setup(self, box: bytes, user_id: str, username: str) -> TotpSetup:
        from pyotp import TOTP  # noqa: PLC0415 - for people

        secret = self._open(box, user_id)
        uri = TOTP(secret).provisioning_uri(name=username, issuer_name=self._issuer_name)
        return TotpSetup(secret, uri, base64.urlsafe_b64encode(box).decode())

    def _new(self) -> str:
        return "".join(self._random.choice(_BASE32) for _ in range(_CHARACTERS))

    def _open(self, sealed: bytes, user_id: str) -> str:
        return self._sealer.open(sealed, _name(user_id)).decode()


def _name(user_id: str) -> str:
    return f"totp {user_id}"


class RecoveryCodes:
    """Makes codes and digests. `random` must be a cryptographic source."""

    def __init__(self, hmac_key: bytes, random: Random) -> None:
        self._hmac_key = hmac_key
        self._random = random

    def new(self) -> list[str]:
        """A set of codes such as `3f9k-x0mq-72ta`."""
        return ["-".join(self._group() for _ in range(_GROUPS)) for _ in range(_RECOVERY_CODES)]

    def digest(self, user_id: str, code: str) -> bytes:
        """The stored digest of the user's code, however it is typed."""
        typed = code.lower().translate(_READ_AS)
        message = f"{user_id}\n{typed}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._hmac_key, message, hashlib.sha256)

    def _group(self) -> str:
        return "".join(self._random.choice(_ALPHABET) for _ in range(_GROUP))


@dataclass(frozen=True, slots=True)
class UsedCode:
    """The methods of authentication (RFC 8176); how many codes are left after a recovery code."""

    methods: tuple[str, ...]
    recovery_codes_left: int | None = None


@dataclass(eq=False, repr=False)
class SecondFactor:
    """Checks codes of authenticator apps and recovery codes. Queries: call it from a worker."""

    _database: Database
    _clock: Clock
    _directory: Directory
    _guard: AttemptGuard
    _trails: Trails
    _totp: TotpSecrets
    _recovery_codes: RecoveryCodes

    def check_code(
        self, user_id: str, code: str, actor: Actor, *, may_wait: bool = False
    ) -> UsedCode:
        """Use the code of an app, or a recovery code; `InvalidCredentials` for any other.

        Limited as passwords are. `AttemptsUnderWay` if the caller `may_wait` and retry.
        """
        with self._guard.attempting(user_id, "", actor, may_wait=may_wait) as attempt:
            step, digest = self._matching(user_id, code[:_MAX_CODE].strip())
            self._require_usable(user_id, is_admitted=attempt.is_admitted)
            used = self._use(user_id, step, digest, actor)
        self._guard.end(attempt, actor, succeeded=True)
        return used

    def _matching(self, user_id: str, code: str) -> tuple[int | None, bytes | None]:
        """The time step of a code of the app, or a recovery code's digest; nothing is used up."""
        digest = self._recovery_codes.digest(user_id, code)
        with self._database.reading() as session:
            store = FactorStore(session)
            totp = store.totp(user_id)
            is_recovery = store.has_recovery_code(user_id, digest)
        sealed = totp.sealed if totp else None
        step = self._totp.matching_step(sealed, user_id, code, self._clock())
        return step, digest if is_recovery else None

    def _require_usable(self, user_id: str, *, is_admitted: bool) -> None:
        user = self._directory.load_user(user_id)
        if not is_admitted:
            raise InvalidCredentials("locked", user_id)
        if user is None or user.disabled:
            raise InvalidCredentials("disabled user", user_id)

    def _use(self, user_id: str, step: int | None, digest: bytes | None, actor: Actor) -> UsedCode:
        if step is not None:
            with self._database.transaction() as session:
                if FactorStore(session).use_step(user_id, step, self._clock()):
                    return UsedCode(_METHODS)
            raise InvalidCredentials("code used before", user_id)
        if digest is None:
            raise InvalidCredentials("wrong code", user_id)
        with self._database.changing() as session:
            store = FactorStore(session)
            if not store.use_recovery_code(user_id, digest):
                raise InvalidCredentials("code used before", user_id)
            left = store.recovery_codes_left(user_id)
            trail = self._trails.begin(session, actor.known_as(user_id))
            trail.note("factor.recovery_code_used", user_id, left=left)
        return UsedCode(_METHODS, left)
