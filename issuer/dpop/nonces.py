"""Nonces for proofs, which no process has to remember (RFC 9449 §8)."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta

from issuer.clock import Clock
from issuer.vocabulary import MAX_CLOCK_SKEW

VALID_FOR = timedelta(minutes=5)
_TIME_BYTES, _MAC_BYTES = 6, 18
_CHARACTERS = (_TIME_BYTES + _MAC_BYTES) * 4 // 3


class Nonces:
    """The time, and its HMAC under a key that all processes derive: 32 characters of base64url.

    Everybody gets the same one in a second. It proves only that a proof is not much older.
    """

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def new(self) -> str:
        """The nonce of this second."""
        return self._nonce(int(self._clock().timestamp()))

    def accepts(self, nonce: object) -> bool:
        """Whether a process of this issuer has made it in the last five minutes."""
        if not isinstance(nonce, str) or len(nonce) != _CHARACTERS or not nonce.isascii():
            return False
        try:
            made_at = int.from_bytes(urlsafe_b64decode(nonce)[:_TIME_BYTES], "big")
        except ValueError:
            return False
        age = self._clock().timestamp() - made_at
        is_fresh = -MAX_CLOCK_SKEW.total_seconds() <= age <= VALID_FOR.total_seconds()
        return is_fresh and hmac.compare_digest(nonce, self._nonce(made_at))

    def _nonce(self, made_at: int) -> str:
        time = made_at.to_bytes(_TIME_BYTES, "big")
        mac = hmac.digest(self._key, time, "sha256")[:_MAC_BYTES]
        return urlsafe_b64encode(time + mac).decode()
