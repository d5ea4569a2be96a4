"""An INSERT of a row that may exist already."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from issuer.database.tables import Base


def insert_into(session: Session, table: type[Base]) -> Any:
    """An INSERT with `ON CONFLICT`: equal in both dialects, but SQLAlchemy has a class for each."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return sqlite.insert(table) if is_sqlite else postgresql.insert(table)
