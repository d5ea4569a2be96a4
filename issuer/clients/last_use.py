"""When each secret, and each client that registered itself, was last used, and from where.

Collected in memory, written in batches.
"""

import threading
from datetime import datetime, timedelta

from issuer.clients.store import ClientStore
from issuer.database import Database
from issuer.directory import ClientRecord, SecretRecord

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
