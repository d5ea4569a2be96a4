"""What SQLite's planner knows of the sizes of tables."""

import pytest
from sqlalchemy import Connection

from issuer.database.migrations import migrate
from tests.builders import Deployment

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

MANY = 50_000  # SQLite estimates their number


def known(connection: Connection) -> set[str]:
    return {row[0] for row in connection.exec_driver_sql("SELECT DISTINCT tbl FROM sqlite_stat1")}


def fill(deployment: Deployment, rows: int) -> None:
    with deployment.services.database.transaction() as session:
        session.connection().exec_driver_sql(
            "INSERT INTO principals (folded_id, kind) WITH RECURSIVE n(i) AS"
            " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " SELECT 'usr_' || i, 'user' FROM n",
            (rows,),
        )


def test_they_are_of_large_tables_alone(deployment: Deployment):
    database = deployment.services.database
    database.update_statistics()
    with database.engine.connect() as connection:
        assert known(connection) == set()
    fill(deployment, MANY)
    database.update_statistics()
    with database.engine.connect() as connection:
        assert known(connection) == {"principals"}


def test_a_migration_updates_them(deployment: Deployment):
    fill(deployment, MANY)
    migrate(deployment.services.settings.effective_database_url)
    with deployment.services.database.engine.connect() as connection:
        assert known(connection) == {"principals"}
