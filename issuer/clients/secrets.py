"""Making and checking client secrets.

A secret is a prefix, 256 random bits and check digits, so that secret scanners find it in a
log or a repository. That much randomness needs no password hash. The database stores an HMAC;
its key is encrypted there, so write access to the database is not enough to add a secret.
"""

import hashlib
import hmac
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random

from issuer.clients.store import ClientStore
from issuer.database import Database
from issuer.directory import ClientRecord, SecretRecord
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


WRITE_EVERY = timedelta(seconds=10)


class LastUse:
    """Adds no database write to a token request. A crash loses a few seconds of data."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._secrets: dict[str, tuple[datetime, str | None]] = {}
        self._clients: dict[str, datetime] = {}

    def note(self, secret: SecretRecord | None, at: datetime, address: str | None) -> None:
        """A client was authenticated just now, with its secret if it has one."""
        if secret is not None:
            with self._lock:
                self._secrets[secret.id] = (at, address)

    def note_token(self, client: ClientRecord, at: datetime) -> None:
        """The client got a token just now, so that a person has allowed it something.

        Authentication alone is no use: anybody can register a client and send its id.
        """
        if client.is_self_registered:
            with self._lock:
                self._clients[client.client_id] = at

    def write(self) -> None:
        """Write the collected uses to the database; on an error they are kept for the next call."""
        with self._lock:
            secrets, self._secrets = self._secrets, {}
            clients, self._clients = self._clients, {}
        if not secrets and not clients:
            return
        try:
            with self._database.transaction() as session:
                ClientStore(session).note_uses(secrets)
                ClientStore(session).note_uses_of_clients(clients)
        except Exception:
            with self._lock:
                self._secrets = {**secrets, **self._secrets}
                self._clients = {**clients, **self._clients}
            raise
