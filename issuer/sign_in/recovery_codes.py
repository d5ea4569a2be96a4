"""Recovery codes: for people who have lost their other second factor. Each works once."""

import hashlib
import hmac
from random import Random

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
