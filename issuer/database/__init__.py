"""The floor the rooms stand on: engine, transactions, tables, migrations, the change counter.

Rooms speak SQL only in their `store.py`, through the session a transaction hands them.
"""

from sqlalchemy.orm import Session

from issuer.database.counts import Counts, FeedState
from issuer.database.database import Database
from issuer.database.migrations import is_empty, migrate, require_current_schema, upgrade
from issuer.database.only_one import only_one

__all__ = [
    "Counts",
    "Database",
    "FeedState",
    "Session",
    "is_empty",
    "migrate",
    "only_one",
    "require_current_schema",
    "upgrade",
]
