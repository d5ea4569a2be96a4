"""What is over is over: nothing takes another connection for it."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import InvalidRequestError

from issuer.database import Database, Session


@pytest.mark.parametrize("begin", [Database.reading, Database.transaction, Database.changing])
def test_a_session_is_of_no_use_after_its_transaction(
    migrated_database_url: str, begin: Callable[[Database], AbstractContextManager[Session]]
):
    """Else a page that reads too late would hold a connection until the server ends."""
    database = Database(migrated_database_url)
    with begin(database) as session:
        session.execute(text("SELECT 1"))
    with pytest.raises(InvalidRequestError, match="closed"):
        session.execute(text("SELECT 1"))
    database.dispose()
