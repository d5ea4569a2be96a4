"""Secrets of sign-in in text form, and the digests stored of them.

As for refresh tokens, only HMACs are stored: a reader of the database can present none of them.
"""

import hmac
from random import Random

from issuer.fields.secret_text import CHARACTERS, is_whole, random_characters, with_check_digits

SESSION = "aiss_"
CODE = "aicode_"
INVITATION = "aiv_"
_CHECK_DIGITS = 8


class SecretTexts:
    """New secrets of one kind, and their digests under `key`. `random` is cryptographic."""

    def __init__(self, prefix: str, key: bytes, random: Random) -> None:
        self._prefix = prefix
        self._key = key
        self._random = random

    def new(self) -> tuple[str, bytes]:
        """The prefix, 256 random bits and check digits; and the digest to store of it."""
        text = with_check_digits(self._prefix + random_characters(self._random))
        return text, self._digest(text)

    def digest(self, text: str) -> bytes | None:
        """The digest stored of it; None if it cannot be such a secret."""
        length = len(self._prefix) + CHARACTERS + _CHECK_DIGITS
        if len(text) != length or not text.startswith(self._prefix) or not is_whole(text):
            return None
        return self._digest(text)

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(), "sha256")
