"""When and from where each secret was last used: noted in memory, written now and then."""

import threading
from datetime import datetime, timedelta

from issuer.clients.store import ClientStore
from issuer.database import Database

WRITE_EVERY = timedelta(seconds=10)


class LastUse:
    """Noting costs nothing on the way of a token. A crash loses some seconds of evidence."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._noted: dict[str, tuple[datetime, str | None]] = {}

    def note(self, secret_id: str, at: datetime, address: str | None) -> None:
        """The secret was used just now."""
        with self._lock:
            self._noted[secret_id] = (at, address)

    def write(self) -> None:
        """Put on record what was noted; kept for the next time if the database is away."""
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
