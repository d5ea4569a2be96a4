"""Text that a browser keeps for us and can neither read nor change: AES-256-GCM."""

import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from random import Random

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class SealedTexts:
    """Seals under one key, which is for one purpose. `random` is a cryptographic source."""

    def __init__(self, key: bytes, random: Random) -> None:
        self._cipher = AESGCM(key)
        self._random = random

    def seal(self, text: str) -> str:
        nonce = self._random.randbytes(_NONCE_BYTES)
        box = nonce + self._cipher.encrypt(nonce, zlib.compress(text.encode()), None)
        return urlsafe_b64encode(box).decode().rstrip("=")

    def open(self, sealed: str) -> str | None:
        """The text; None if it was not sealed here."""
        try:
            box = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
            text = self._cipher.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], None)
        except (InvalidTag, ValueError):
            return None
        return zlib.decompress(text).decode()
