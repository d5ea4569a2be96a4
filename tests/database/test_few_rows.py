"""Questions about few of many rows are answered by an index, before anything counted the rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event

from issuer.audit import EventFilter
from issuer.audit.chain_store import Outcome
from issuer.composition import UnitOfWork
from issuer.database.conditions import Condition, RowQuery
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
        "users by their id elsewhere": (
            "ix_users_external_id",
            lambda work: found(work, "external_id", "00u1"),
        ),
        "users by address": ("ix_users_email", lambda work: found(work, "email", "a@example.org")),
        "refused events": (
            "ix_audit_events_refused",
            lambda work: work.audit_log.page(EventFilter(outcome=Outcome.REFUSED), None, 10),
        ),
    },
)
def test_no_question_reads_everybody(index: str, question: Question, deployment: Deployment):
    with planning(deployment) as plans, deployment.changing() as work:
        question(work)
    assert [line for line in plans if index in line]


def test_the_rights_of_a_caller_are_not_looked_for_among_all_that_count_everywhere(
    deployment: Deployment,
):
    alice = deployment.user("alice")
    with planning(deployment) as plans, deployment.changing() as work:
        work.authority.scopes_held(alice)
    assert plans
    assert not [line for line in plans if "ix_assignments_audience_id" in line]


def found(work: UnitOfWork, attribute: str, text: str) -> object:
    return matching(work, work.provisioned_users.attribute(attribute).meets("eq", text))


def matching(work: UnitOfWork, condition: Condition) -> object:
    return work.provisioned_users.matching(RowQuery(condition, None, 0, 10))


def test_a_change_reads_its_row_once_and_waits_for_others_once(deployment: Deployment):
    alice = deployment.user("alice")
    seen: list[str] = []

    def note(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        seen.append(" ".join(statement.split()))

    with deployment.changing() as work, listening(deployment, note):
        work.users.update(alice, {"name": "Alice", "email": "alice@example.com"})
    assert len([each for each in seen if each.startswith("SELECT users.id")]) == 1
    assert not [each for each in seen if each.startswith("SELECT change_counter.value FROM")]


@contextmanager
def planning(deployment: Deployment) -> Iterator[list[str]]:
    """The plans of the queries that are made meanwhile."""
    plans: list[str] = []

    def explain(connection, _cursor, statement, parameters, *_):
        if statement.startswith("SELECT"):
            plans.extend(plan_of(connection, statement, parameters))

    with listening(deployment, explain):
        yield plans


@contextmanager
def listening(deployment: Deployment, listener: Callable[..., None]) -> Iterator[None]:
    """Call the listener before each statement meanwhile."""
    engine = deployment.services.database.engine
    event.listen(engine, "before_cursor_execute", listener)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", listener)


def plan_of(connection: Connection, statement: str, parameters: object) -> list[str]:
    if connection.dialect.name == "postgresql":
        # Otherwise it reads a table of a few rows whole.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        statement = f"EXPLAIN {statement}"
    else:
        statement = f"EXPLAIN QUERY PLAN {statement}"
    return [str(row) for row in connection.exec_driver_sql(statement, parameters)]
