"""The few who have rights at the issuer, clients with trusts, and refusals: found by an index."""

from collections.abc import Callable

from sqlalchemy import Connection, event

from issuer.audit import EventFilter
from issuer.audit.chain_store import Outcome
from issuer.composition import UnitOfWork
from issuer.roles import RoleFields
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
        "role that gives rights here": (
            "ix_assignments_role_name",
            lambda work: work.roles.create(
                RoleFields.read({"name": "readers", "scopes": ["issuer:keys:read"]})
            ),
        ),
        "page of a trusted issuer": (
            "ix_clients_trusts",
            lambda work: work.trusted_issuers.clients_of("cluster", 10),
        ),
        "refused events": (
            "ix_audit_events_refused",
            lambda work: work.audit_log.page(EventFilter(outcome=Outcome.REFUSED), None, 10),
        ),
    },
)
def test_no_question_reads_everybody(index: str, question: Question, deployment: Deployment):
    plans: list[str] = []

    def explain(connection, _cursor, statement, parameters, *_):
        if statement.startswith("SELECT"):
            plans.extend(plan_of(connection, statement, parameters))

    engine = deployment.services.database.engine
    event.listen(engine, "before_cursor_execute", explain)
    try:
        with deployment.changing() as work:
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
