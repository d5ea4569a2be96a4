"""The text form of a refresh token, and the digests stored of it.

`airt_`, 22 characters shared by the whole family (131 bits), 43 characters of its own (256 bits),
and check digits. A token used long ago therefore still identifies its family, and nothing need be
stored of it. Only HMACs are stored, under a key that the database holds encrypted: a reader of
the database can present no token, and a reader of the audit log cannot derive a family's tokens.
"""

import hashlib
import hmac
import re
from random import Random

from issuer.fields.secret_text import as_characters, is_whole, random_characters, with_check_digits

PREFIX = "airt_"
_FAMILY_CHARACTERS = 22
_WRITTEN = re.compile(rf"{PREFIX}(?P<family>[0-9A-Za-z]{{22}})[0-9A-Za-z]{{43}}[0-9a-f]{{8}}")


class RefreshTokenMaker:
    """Creates tokens and digests under one HMAC key. `random` must be a cryptographic source."""

    def __init__(self, hmac_key: bytes, random: Random) -> None:
        self._hmac_key = hmac_key
        self._random = random

    def first(self) -> str:
        """The first token of a new family."""
        return _write(
            random_characters(self._random, _FAMILY_CHARACTERS), random_characters(self._random)
        )

    def salt(self) -> bytes:
        """256 random bits, which make a successor unpredictable."""
        return self._random.randbytes(32)

    def successor(self, token: str, salt: bytes) -> str:
        """The token that follows `token`: a function of `token`, `salt` and the key."""
        number = int.from_bytes(self._digest("successor", token, salt), "big")
        return _write(_family(token), as_characters(number))

    def handle(self, token: str) -> bytes | None:
        """The digest that identifies the family; None if the text is not a refresh token."""
        if not (_WRITTEN.fullmatch(token) and is_whole(token)):
            return None
        return self._digest("family", _family(token))

    def digest(self, token: str) -> bytes:
        """The digest stored of the token: 32 bytes."""
        return self._digest("token", token)

    def _digest(self, purpose: str, text: str, more: bytes = b"") -> bytes:
        return hmac.digest(self._hmac_key, f"{purpose}\n{text}\n".encode() + more, hashlib.sha256)


def _family(token: str) -> str:
    return token[len(PREFIX) :][:_FAMILY_CHARACTERS]


def _write(family: str, own: str) -> str:
    return with_check_digits(PREFIX + family + own)
