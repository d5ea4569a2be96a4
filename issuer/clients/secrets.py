"""Making and checking client secrets.

A secret is a prefix, 256 random bits and check digits, so that secret scanners find it in a
log or a repository. That much randomness needs no password hash. The database stores an HMAC;
its key is encrypted there, so write access to the database is not enough to add a secret.
"""

import hashlib
import hmac
from collections.abc import Iterable
from random import Random

from issuer.directory import SecretRecord
from issuer.fields.secret_text import random_characters, with_check_digits

PREFIX = "ais_"
_DECOY = SecretRecord("", bytes(32), None)


class SecretMaker:
    """Makes, digests and verifies secrets. `random` must be a cryptographic source."""

    def __init__(self, hmac_key: bytes, random: Random) -> None:
        self._hmac_key = hmac_key
        self._random = random

    def new(self) -> str:
        """A new secret: `ais_`, 43 random characters, 8 check digits."""
        return with_check_digits(PREFIX + random_characters(self._random))

    def digest(self, client_id: str, secret: str) -> bytes:
        """The stored digest of the client's `secret`: 32 bytes, of no use to another client."""
        return hmac.digest(self._hmac_key, f"{client_id}\n{secret}".encode(), hashlib.sha256)

    def matching(
        self, client_id: str, secret: str, stored: Iterable[SecretRecord]
    ) -> SecretRecord | None:
        """The record in `stored` with this secret of the client. Takes as long without a match."""
        digest = self.digest(client_id, secret)
        matching = None
        # All records and a decoy: the duration tells neither the position of a match nor the count.
        for record in (*stored, _DECOY):
            if hmac.compare_digest(digest, record.digest) and record is not _DECOY:
                matching = record
        return matching
