"""Making and checking client secrets.

A secret is 256 random bits behind a prefix and before check digits, so that secret scanners
find it in a log or a repository. No password hash is needed for that much chance; what is
stored is an HMAC under a key the database holds only sealed, so that somebody who can write
to the database still cannot plant a secret.
"""

import hashlib
import hmac
from collections.abc import Iterable
from random import Random

from issuer.directory import SecretRecord
from issuer.secret_text import random_characters, with_check_digits

PREFIX = "ais_"
_DECOY = SecretRecord("", bytes(32), None)


class SecretMaker:
    """Makes secrets, digests and verifies them. `chance` must be a cryptographic source."""

    def __init__(self, hmac_key: bytes, random: Random) -> None:
        self._hmac_key = hmac_key
        self._random = random

    def new(self) -> str:
        """A new secret: `ais_`, 43 random characters, 8 check digits."""
        return with_check_digits(PREFIX + random_characters(self._random))

    def digest(self, client_id: str, secret: str) -> bytes:
        """What is stored of the client's `secret`: 32 bytes, of no use to another client."""
        return hmac.digest(self._hmac_key, f"{client_id}\n{secret}".encode(), hashlib.sha256)

    def matching(
        self, client_id: str, secret: str, kept: Iterable[SecretRecord]
    ) -> SecretRecord | None:
        """The one of `kept` that is this secret of the client. As slow for none as for one."""
        given = self.digest(client_id, secret)
        matching = None
        # To the end, and one more: neither the place of the match nor the count shows in time.
        for record in (*kept, _DECOY):
            if hmac.compare_digest(given, record.digest) and record is not _DECOY:
                matching = record
        return matching
