"""The foundation of the domain packages: engine, transactions, tables, schema, change counter.

A domain package uses SQL only in its `store.py`, with the session of a transaction. Code that
changes the schema imports `migrations`.
"""

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from issuer.database.database import Database
from issuer.database.deployment import current_revision
from issuer.database.only_one import only_one

__all__ = ["Connection", "Database", "Session", "current_revision", "only_one"]
