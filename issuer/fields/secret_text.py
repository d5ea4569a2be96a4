"""The format of issued secrets, in which scanners find them and typing errors are detected.

A prefix for the kind of secret, random characters, and check digits over both. Only HMACs of them
are stored: a reader of the database can present none of them.
"""

import hmac
import string
import zlib
from random import Random

_ALPHABET = string.digits + string.ascii_letters
_CHECK_DIGITS = 8
CHARACTERS = 43  # of 62 each: 256 bits


def random_characters(random: Random, number: int = CHARACTERS, alphabet: str = _ALPHABET) -> str:
    """`number` characters of letters and digits. `random` must be a cryptographic source."""
    # Bits beyond what they need: no character is noticeably more frequent. One by one, they would
    # take ten times as long.
    return as_characters(random.getrandbits(8 * number), number, alphabet)


def as_characters(number: int, length: int = CHARACTERS, alphabet: str = _ALPHABET) -> str:
    """A number in letters and digits, with leading zeros. One that is longer is cut."""
    characters = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        characters.append(alphabet[digit])
    return "".join(reversed(characters))


def with_check_digits(body: str) -> str:
    """`body` and its check digits."""
    return f"{body}{zlib.crc32(body.encode()):08x}"


def is_whole(text: str) -> bool:
    """Whether its check digits are correct."""
    return text.isascii() and with_check_digits(text[:-_CHECK_DIGITS]) == text


SESSION = "aiss_"
CODE = "aicode_"
DEVICE_CODE = "aidevice_"
INVITATION = "aiv_"


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
