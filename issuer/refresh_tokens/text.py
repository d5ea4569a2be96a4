"""What a refresh token is written as, and what is kept of it.

`airt_`, 22 characters that are the same in the whole family, 43 that no other token has, and check
digits: 131 and 256 bits. So a token used long ago still leads to its family, and nothing need be
kept of it. At rest there are HMACs only, under a key that the database holds only sealed: who
reads the database can show no token, and who reads the record cannot name a family.
"""

import hashlib
import hmac
import re
from random import Random

from issuer.secret_text import as_characters, is_whole, random_characters, with_check_digits

PREFIX = "airt_"
_FAMILY_CHARACTERS = 22
_WRITTEN = re.compile(rf"{PREFIX}(?P<family>[0-9A-Za-z]{{22}})[0-9A-Za-z]{{43}}[0-9a-f]{{8}}")


class RefreshTokenMaker:
    """Makes tokens and digests, by a key of their own. `chance` must be a cryptographic source."""

    def __init__(self, hmac_key: bytes, random: Random) -> None:
        self._hmac_key = hmac_key
        self._random = random

    def first(self) -> str:
        """The first token of a new family."""
        return _written(
            random_characters(self._random, _FAMILY_CHARACTERS), random_characters(self._random)
        )

    def salt(self) -> bytes:
        """What makes a successor one that nobody can know beforehand: 256 random bits."""
        return self._random.randbytes(32)

    def successor(self, token: str, salt: bytes) -> str:
        """The token that follows `token`: the same again only for who holds it and the salt."""
        number = int.from_bytes(self._digest("successor", token, salt), "big")
        return _written(_family(token), as_characters(number))

    def handle(self, token: str) -> bytes | None:
        """What is kept to find the family of the token; None if this can be no token of ours."""
        if not (_WRITTEN.fullmatch(token) and is_whole(token)):
            return None
        return self._digest("family", _family(token))

    def digest(self, token: str) -> bytes:
        """What is kept of the token: 32 bytes."""
        return self._digest("token", token)

    def _digest(self, purpose: str, text: str, more: bytes = b"") -> bytes:
        return hmac.digest(self._hmac_key, f"{purpose}\n{text}\n".encode() + more, hashlib.sha256)


def _family(token: str) -> str:
    return token[len(PREFIX) :][:_FAMILY_CHARACTERS]


def _written(family: str, own: str) -> str:
    return with_check_digits(PREFIX + family + own)
