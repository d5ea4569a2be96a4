"""What the token path reads (DESIGN §3)."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from issuer.clients import SecretFields
from issuer.composition import compose
from tests.builders import OPERATOR, FakeClock, House
from tests.drivers import TokenEndpoint


@contextmanager
def statements(house: House) -> Iterator[list[str]]:
    """The SQL statements of the server meanwhile, but those of the audit and the counter."""
    seen: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        of_others = ("audit_events", "nextval", "change_counter", "BEGIN")
        if statement == "SELECT count FROM revocation_feed":
            return  # in the transaction of the audit
        if not any(word in statement for word in of_others):
            seen.append(statement)

    event.listen(house.services.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(house.services.database.engine, "before_cursor_execute", note)


def test_an_unknown_client_costs_the_same_statements_as_a_known_one(house: House):
    """Else the time of the answer would tell them apart."""
    client = house.client()
    with statements(house) as known:
        house.services.tokens.directory.load_client(client.client_id)
    with statements(house) as unknown:
        house.services.tokens.directory.load_client("nobody")
    assert unknown == known


def test_a_record_is_of_one_moment(house: House, clock: FakeClock):
    """A right that moves while the record is read is never had at both places, nor mixed."""
    house.audience("sandbox")
    house.role("strong", ["agent_os:admin"])
    client = house.client("ci-bot", audiences=["sandbox"], roles=["strong"])
    elsewhere = compose(house.services.settings, clock)
    moved: list[bool] = []

    def move(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM clients" in statement and not moved:
            moved.append(True)
            with elsewhere.administration.changing(OPERATOR) as rooms:
                rooms.clients.update(client.client_id, {"audiences": ["my-os"]})
                rooms.roles.update("strong", {"scopes": ["agents:read"]})

    event.listen(house.services.database.engine, "after_cursor_execute", move)
    record = house.services.tokens.directory.load_client(client.client_id)
    event.remove(house.services.database.engine, "after_cursor_execute", move)
    elsewhere.database.dispose()
    assert moved
    assert record is not None
    assert set(record.audiences) == {"sandbox"}
    assert record.rights.roles[0].scopes == {"agent_os:admin"}


def test_an_unchanged_world_costs_no_query(house: House, token_endpoint: TokenEndpoint):
    house.role("runner", ["agents:run"])
    client = house.client(roles=["runner"])
    token_endpoint.client_credentials(client)
    with statements(house) as seen:
        for _ in range(20):
            assert token_endpoint.client_credentials(client).status == 200
    assert seen == []


@pytest.mark.parametrize("change", ["disable", "delete", "secret", "role", "scopes", "audience"])
def test_a_change_made_elsewhere_is_seen_at_the_next_look(
    house: House, token_endpoint: TokenEndpoint, clock: FakeClock, change: str
):
    """Another process, on the same database."""
    house.role("runner", ["agents:run"])
    client = house.client("ci-bot", roles=["runner"], scopes=["teams:run"])
    assert token_endpoint.client_credentials(client).scope == {"agents:run", "teams:run"}
    elsewhere = compose(house.services.settings, clock)
    with elsewhere.administration.changing(OPERATOR) as rooms:
        match change:
            case "disable":
                rooms.clients.update("ci-bot", {"disabled": True})
            case "delete":
                rooms.clients.delete("ci-bot")
            case "secret":
                rooms.clients.delete_secret("ci-bot", rooms.clients.secrets("ci-bot")[0].id)
            case "role":
                rooms.roles.delete("runner", cascade=True)
            case "scopes":
                rooms.clients.update("ci-bot", {"scopes": []})
            case "audience":
                rooms.audiences.update("my-os", {"access_token_ttl": 60})
    elsewhere.database.dispose()
    house.services.tokens.changes.look()
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


def test_a_secret_made_elsewhere_works_at_once(
    house: House, token_endpoint: TokenEndpoint, clock: FakeClock
):
    """What memory does not confirm is looked up: nobody waits for the next look."""
    client = house.client("ci-bot")
    token_endpoint.client_credentials(client)
    elsewhere = compose(house.services.settings, clock)
    with elsewhere.administration.changing(OPERATOR) as rooms:
        _, secret = rooms.clients.add_secret("ci-bot", SecretFields())
    elsewhere.database.dispose()
    answer = token_endpoint.post(data={"grant_type": "client_credentials"}, auth=("ci-bot", secret))
    assert answer.status == 200


def test_a_record_read_before_a_change_is_not_remembered_after_it(house: House):
    """The load that races with a change: its count is not the count of the world."""
    client = house.client("ci-bot")
    directory = house.services.tokens.directory
    count = house.services.database.counts().changes
    directory.forget(count + 1)
    record = directory.load_client(client.client_id)
    assert record is not None
    assert directory.remembered_client(client.client_id) is None


def test_a_record_does_not_show_its_secrets(house: House):
    record = house.services.tokens.directory.load_client(house.client().client_id)
    assert record is not None
    assert record.secrets[0].digest.hex() not in repr(record)
    assert repr(record.secrets[0].digest) not in repr(record)
