"""The floor the rooms stand on: engine, transactions, tables, schema, the change counter.

Rooms speak SQL only in their `store.py`, through the session a transaction hands them. Whoever
changes the schema imports `migrations`.
"""

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from issuer.database.counts import Counts, FeedState
from issuer.database.database import Database
from issuer.database.only_one import only_one
from issuer.database.schema import current_revision, is_empty, require_current_schema

__all__ = [
    "Connection",
    "Counts",
    "Database",
    "FeedState",
    "Session",
    "current_revision",
    "is_empty",
    "only_one",
    "require_current_schema",
]
