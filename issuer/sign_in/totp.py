"""Time-based one-time passwords of an authenticator app (RFC 6238): 6 digits, 30 s, SHA-1.

Those are the parameters that every app supports. The library is imported when it is first used.
"""

import base64
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from issuer.errors import ConfigurationError
from issuer.keys.sealing import Sealer

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_CHARACTERS = 32  # 160 bits, as RFC 4226 §4 recommends
_STEPS_APART = 1  # how far the clock of the app may be off, in steps of 30 s


@dataclass(frozen=True, slots=True)
class TotpSetup:
    """What an authenticator app must be told. `uri` is for a QR code, `secret` to be typed.

    `sealed` is the secret as its page carries it until a code proves that the app has it. So
    nothing is stored before, and nobody else who has the password can read it meanwhile.
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
        from pyotp import TOTP  # noqa: PLC0415
        from pyotp.exceptions import OTPVerificationError  # noqa: PLC0415

        secret = self._decoy if sealed is None else self._opened(sealed, user_id)
        typed = code.replace(" ", "")
        digits = typed if typed.isascii() else ""
        try:
            step = TOTP(secret).verify_and_get_timecode(
                digits, for_time=now, valid_window=_STEPS_APART
            )
        except OTPVerificationError:
            return None
        return None if sealed is None else step

    def _setup(self, box: bytes, user_id: str, username: str) -> TotpSetup:
        from pyotp import TOTP  # noqa: PLC0415

        secret = self._opened(box, user_id)
        uri = TOTP(secret).provisioning_uri(name=username, issuer_name=self._issuer_name)
        return TotpSetup(secret, uri, base64.urlsafe_b64encode(box).decode())

    def _new(self) -> str:
        return "".join(self._random.choice(_BASE32) for _ in range(_CHARACTERS))

    def _opened(self, sealed: bytes, user_id: str) -> str:
        return self._sealer.open(sealed, _name(user_id)).decode()


def _name(user_id: str) -> str:
    return f"totp {user_id}"
