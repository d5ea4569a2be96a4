"""The few clients with rights at the issuer, and with trusts, are found by an index."""

from collections.abc import Callable

from sqlalchemy import Connection, event

from issuer.composition import UnitOfWork
from tests.builders import Deployment
from tests.rows import rows

Question = Callable[[UnitOfWork], object]


@rows(
    ("index", "question"),
    {
        "page of an audience": (
            "ix_clients_rights_here",
            lambda work: work.audiences.authorize_release("my-os"),
        ),
        "page of a trusted issuer": (
            "ix_clients_trusts",
            lambda work: work.trusted_issuers.clients_of("cluster", 10),
        ),
    },
)
def test_no_page_reads_every_client(index: str, question: Question, deployment: Deployment):
    plans: list[str] = []

    def explain(connection, _cursor, statement, parameters, *_):
        if "FROM clients" in statement and not statement.startswith("EXPLAIN"):
            plans.extend(plan_of(connection, statement, parameters))

    engine = deployment.services.database.engine
    with deployment.changing() as work:
        event.listen(engine, "before_cursor_execute", explain)
        try:
            question(work)
        finally:
            event.remove(engine, "before_cursor_execute", explain)
    assert [line for line in plans if index in line]


def plan_of(connection: Connection, statement: str, parameters: object) -> list[str]:
    if connection.dialect.name == "postgresql":
        # Otherwise it reads a table of a few rows whole.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        statement = f"EXPLAIN {statement}"
    else:
        statement = f"EXPLAIN QUERY PLAN {statement}"
    return [str(row) for row in connection.exec_driver_sql(statement, parameters)]
