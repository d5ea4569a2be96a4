"""An INSERT that may meet a row that is there already."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from issuer.database.tables import Base


def insert_into(session: Session, table: type[Base]) -> Any:
    """An INSERT that knows `ON CONFLICT`: both dialects spell it alike, but share no type."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return sqlite.insert(table) if is_sqlite else postgresql.insert(table)
