"""The format of issued secrets, in which scanners find them and typing errors are detected.

A prefix for the kind of secret, random characters, and check digits over both.
"""

import string
import zlib
from random import Random

_ALPHABET = string.digits + string.ascii_letters
_CHECK_DIGITS = 8
CHARACTERS = 43  # of 62 each: 256 bits


def random_characters(random: Random, number: int = CHARACTERS) -> str:
    """`number` characters of letters and digits. `random` must be a cryptographic source."""
    return "".join(random.choice(_ALPHABET) for _ in range(number))


def as_characters(number: int, length: int = CHARACTERS) -> str:
    """A number in letters and digits, with leading zeros."""
    characters = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))


def with_check_digits(body: str) -> str:
    """`body` and its check digits."""
    return f"{body}{zlib.crc32(body.encode()):08x}"


def is_whole(text: str) -> bool:
    """Whether its check digits are correct."""
    return text.isascii() and with_check_digits(text[:-_CHECK_DIGITS]) == text
