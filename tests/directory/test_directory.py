"""What the token path reads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event

from issuer.clients.client import SecretFields
from issuer.composition import compose
from issuer.composition.background import JOBS
from issuer.groups import GroupFields
from issuer.users import UserFields
from tests.builders import OPERATOR, Deployment, FakeClock
from tests.drivers import TokenDriver

# Those that work at intervals. The others work for a request, which waits for them.
JOB_NAMES = {job.name for job in JOBS if isinstance(job.every, timedelta)}


@contextmanager
def statements(deployment: Deployment) -> Iterator[list[str]]:
    """The SQL statements of the server, except those of the audit log and the counters.

    Nor those of jobs that work at intervals, beside it.
    """
    seen: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        of_others = ("audit_events", "nextval", "change_counter", "BEGIN")
        if statement == "SELECT count FROM revocation_feed":
            return  # in the transaction of the audit log
        if threading.current_thread().name in JOB_NAMES:
            return
        if not any(word in statement for word in of_others):
            seen.append(statement)

    event.listen(deployment.services.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(deployment.services.database.engine, "before_cursor_execute", note)


def test_an_unknown_client_takes_the_same_statements_as_a_known_one(deployment: Deployment):
    """Otherwise the time of the answer would reveal whether a client exists."""
    client = deployment.client()
    with statements(deployment) as known:
        deployment.services.tokens.directory.load_client(client.client_id)
    with statements(deployment) as unknown:
        deployment.services.tokens.directory.load_client("unknown")
    assert unknown == known


def test_act_rules_and_ends_of_scopes_are_not_multiplied(deployment: Deployment):
    """There may be 50 of the ones and 500 of the others."""
    deployment.audience("data-os")
    ends = {"agents:run": "2026-12-01T00:00:00Z", "teams:run": "2026-12-02T00:00:00Z"}
    rule = {"from": "my-os", "to": "data-os"}
    deployment.client("between", audiences=["my-os", "data-os"], scopes=[*ends, "agents:read"])
    with deployment.changing() as work:
        work.clients.update("between", {"scopes_expire_at": ends, "may_act": [rule]})
    with statements(deployment) as seen:
        record = deployment.services.tokens.directory.load_client("between")
    assert record is not None
    assert (len(record.secrets), len(record.may_act)) == (1, 1)
    assert record.rights.direct == {*ends, "agents:read"}
    assert record.rights.direct_ends == {
        scope: datetime.fromisoformat(end) for scope, end in ends.items()
    }
    assert any("client_scope_expiries" in each for each in seen)
    assert not any("client_scope_expiries" in each and "client_act_rules" in each for each in seen)


def test_a_record_is_read_from_one_snapshot(deployment: Deployment, clock: FakeClock):
    """A scope that moves to another role meanwhile is read in one place only."""
    deployment.audience("sandbox")
    deployment.role("strong", ["agent_os:admin"])
    client = deployment.client("ci-bot", audiences=["sandbox"], roles=["strong"])
    elsewhere = compose(deployment.services.settings, clock)
    moved: list[bool] = []

    def move(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM clients" in statement and not moved:
            moved.append(True)
            with elsewhere.administration.changing(OPERATOR) as work:
                work.clients.update(client.client_id, {"audiences": ["my-os"]})
                work.roles.update("strong", {"scopes": ["agents:read"]})

    event.listen(deployment.services.database.engine, "after_cursor_execute", move)
    record = deployment.services.tokens.directory.load_client(client.client_id)
    event.remove(deployment.services.database.engine, "after_cursor_execute", move)
    elsewhere.database.dispose()
    assert moved
    assert record is not None
    assert set(record.audiences) == {"sandbox"}
    assert record.rights.roles[0].scopes == {"agent_os:admin"}


def test_without_changes_a_token_request_makes_no_query(
    deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.role("runner", ["agents:run"])
    client = deployment.client(roles=["runner"])
    token_endpoint.client_credentials(client)
    with statements(deployment) as seen:
        for _ in range(20):
            assert token_endpoint.client_credentials(client).status == 200
    assert seen == []


@pytest.mark.parametrize("change", ["disable", "delete", "secret", "role", "scopes", "audience"])
def test_a_change_of_another_process_is_seen_at_the_next_look(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock, change: str
):
    """The other process uses the same database."""
    deployment.role("runner", ["agents:run"])
    client = deployment.client("ci-bot", roles=["runner"], scopes=["teams:run"])
    assert token_endpoint.client_credentials(client).scope == {"agents:run", "teams:run"}
    elsewhere = compose(deployment.services.settings, clock)
    with elsewhere.administration.changing(OPERATOR) as work:
        match change:
            case "disable":
                work.clients.update("ci-bot", {"disabled": True})
            case "delete":
                work.clients.delete("ci-bot")
            case "secret":
                work.clients.delete_secret("ci-bot", work.clients.secrets("ci-bot")[0].id)
            case "role":
                work.roles.delete("runner", cascade=True)
            case "scopes":
                work.clients.update("ci-bot", {"scopes": []})
            case "audience":
                work.audiences.update("my-os", {"access_token_ttl": 60})
    elsewhere.database.dispose()
    deployment.services.tokens.changes.poll()
    answer = token_endpoint.client_credentials(client)
    match change:
        case "disable" | "delete" | "secret":
            assert answer.error == "invalid_client"
        case "role":
            assert answer.scope == {"teams:run"}
        case "scopes":
            assert answer.scope == {"agents:run"}
        case "audience":
            assert answer.body["expires_in"] == 60


@pytest.mark.parametrize("change", ["name", "new user", "group", "member", "delete"])
def test_a_change_of_people_alone_empties_no_memory(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock, change: str
):
    """A company that sends a thousand people has services wait for nothing."""
    ann = deployment.user("ann")
    client = deployment.client("ci-bot")
    with deployment.changing() as work:
        group = work.groups.create(GroupFields(name="staff"))
    token_endpoint.client_credentials(client)
    elsewhere = compose(deployment.services.settings, clock)
    with elsewhere.administration.changing(OPERATOR) as work:
        before = work.change_count()
        match change:
            case "name":
                work.users.update(ann, {"name": "Ann"})
            case "new user":
                work.users.create(UserFields(username="bob"))
            case "group":
                work.groups.update(group.id, {"name": "people"})
            case "member":
                work.groups.add_members(group.id, [ann])
            case "delete":
                work.users.delete(ann)
    with elsewhere.administration.reading() as work:
        assert work.change_count() > before, "plans see it"
    elsewhere.database.dispose()
    deployment.services.tokens.changes.poll()
    assert deployment.services.tokens.directory.remembered_client("ci-bot") is not None


def test_a_change_of_people_and_of_a_client_empties_memory(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    """In one transaction, in either order."""
    for first in ("people", "client"):
        client = deployment.client(first, scopes=["teams:run"])
        assert token_endpoint.client_credentials(client).scope == {"teams:run"}
        ann = deployment.user(f"ann-{first}")
        elsewhere = compose(deployment.services.settings, clock)
        with elsewhere.administration.changing(OPERATOR) as work:
            if first == "people":
                work.users.update(ann, {"name": "Ann"})
            work.clients.update(first, {"scopes": ["agents:run"]})
            if first == "client":
                work.users.update(ann, {"name": "Ann"})
        elsewhere.database.dispose()
        deployment.services.tokens.changes.poll()
        assert token_endpoint.client_credentials(client).scope == {"agents:run"}


def test_a_program_that_counts_all_changes_alike_empties_memory(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """As one of the version before does, during an upgrade."""
    client = deployment.client("ci-bot")
    token_endpoint.client_credentials(client)
    with deployment.services.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE change_counter SET value = value + 1")
    deployment.services.tokens.changes.poll()
    assert deployment.services.tokens.directory.remembered_client("ci-bot") is None


def test_a_secret_from_another_process_works_at_once(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    """A secret that is unknown in memory is looked up in the database."""
    client = deployment.client("ci-bot")
    token_endpoint.client_credentials(client)
    elsewhere = compose(deployment.services.settings, clock)
    with elsewhere.administration.changing(OPERATOR) as work:
        _, secret = work.clients.add_secret("ci-bot", SecretFields())
    elsewhere.database.dispose()
    answer = token_endpoint.post(data={"grant_type": "client_credentials"}, auth=("ci-bot", secret))
    assert answer.status == 200


def test_a_record_read_before_a_change_is_not_cached_after_it(deployment: Deployment):
    """A load that races with a change has an old count."""
    client = deployment.client("ci-bot")
    directory = deployment.services.tokens.directory
    count = deployment.services.database.counts().in_memory
    directory.forget(count + 1)
    record = directory.load_client(client.client_id)
    assert record is not None
    assert directory.remembered_client(client.client_id) is None


def test_a_record_does_not_show_its_secrets(deployment: Deployment):
    record = deployment.services.tokens.directory.load_client(deployment.client().client_id)
    assert record is not None
    assert record.secrets[0].digest.hex() not in repr(record)
    assert repr(record.secrets[0].digest) not in repr(record)
