"""When and from where each secret was last used: collected in memory, written in batches."""

import threading
from datetime import datetime, timedelta

from issuer.clients.store import ClientStore
from issuer.database import Database

WRITE_EVERY = timedelta(seconds=10)


class LastUse:
    """Adds no database write to a token request. A crash loses a few seconds of data."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._noted: dict[str, tuple[datetime, str | None]] = {}

    def note(self, secret_id: str, at: datetime, address: str | None) -> None:
        """The secret was used just now."""
        with self._lock:
            self._noted[secret_id] = (at, address)

    def write(self) -> None:
        """Write the collected uses to the database; on an error they are kept for the next call."""
        with self._lock:
            noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            with self._database.transaction() as session:
                ClientStore(session).note_uses(noted)
        except Exception:
            with self._lock:
                self._noted = {**noted, **self._noted}
            raise
