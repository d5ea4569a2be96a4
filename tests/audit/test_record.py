"""Every token and every refusal is on record before the answer (DESIGN §5)."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from issuer.database.tables import AuditEventRow
from issuer.errors import NotFound
from tests.builders import PASSWORD, House
from tests.drivers import TokenEndpoint


def events(house: House, action: str) -> Sequence[AuditEventRow]:
    with house.services.database.reading() as session:
        query = select(AuditEventRow).where(AuditEventRow.action == action)
        return session.scalars(query.order_by(AuditEventRow.id)).all()


def test_an_issued_token_is_on_record_by_its_jti(house: House, token_endpoint: TokenEndpoint):
    client = house.client("ci-bot", scopes=["agents:run"])
    answer = token_endpoint.client_credentials(client)
    header, claims = token_endpoint.read(answer)
    (event,) = events(house, "token.issued")
    assert (event.actor, event.target, event.outcome) == ("ci-bot", "ci-bot", "done")
    assert event.request_id == answer.response.headers["x-request-id"]
    assert event.details == {
        "grant_type": "client_credentials",
        "audience": "my-os",
        "scope": "agents:run",
        "jti": claims["jti"],
        "kid": header["kid"],
        "expires_in": 900,
    }


@pytest.mark.parametrize(
    ("client_id", "secret", "reason"),
    [
        ("nobody", "x", "unknown client"),
        ("ci-bot", "x", "wrong secret"),
        ("disabled", None, "disabled client"),
    ],
)
def test_the_record_tells_apart_what_the_answer_does_not(
    house: House, token_endpoint: TokenEndpoint, client_id: str, secret: str | None, reason: str
):
    house.client("ci-bot")
    disabled = house.client("disabled", disabled=True)
    token_endpoint.post(
        data={"grant_type": "client_credentials"},
        auth=(client_id, secret or disabled.client_secret),
    )
    (event,) = events(house, "token.refused")
    assert (event.target, event.outcome, event.reason) == (client_id, "refused", reason)
    assert (event.actor, event.details) == (None, {"error": "invalid_client"})


def test_a_refused_sign_in_names_the_client_and_never_what_was_typed(
    house: House, token_endpoint: TokenEndpoint
):
    """People type passwords where the user name belongs."""
    client = house.client("app", grant_types=["password"])
    token_endpoint.password(client, PASSWORD, "something else")
    (event,) = events(house, "token.refused")
    assert (event.actor, event.target, event.reason) == ("app", "app", "unknown user")
    assert PASSWORD not in str(vars(event))


def test_a_refused_sign_in_says_of_whom_if_that_is_somebody(
    house: House, token_endpoint: TokenEndpoint
):
    client, user_id = house.client("app", grant_types=["password"]), house.user("alice")
    token_endpoint.password(client, "alice", "not her password")
    (event,) = events(house, "token.refused")
    assert (event.actor, event.target, event.reason) == ("app", user_id, "wrong password")


def test_no_secret_is_in_any_event(house: House, token_endpoint: TokenEndpoint):
    client = house.client(grant_types=["client_credentials", "password"])
    house.user("alice")
    answers = [
        token_endpoint.client_credentials(client),
        token_endpoint.password(client, "alice"),
        token_endpoint.password(client, "alice", "not her password"),
        token_endpoint.client_credentials(client, scope=client.client_secret),
        token_endpoint.post(
            data={"grant_type": "client_credentials"}, auth=(client.client_secret, "x")
        ),
    ]
    with house.services.database.reading() as session:
        record = str([vars(row) for row in session.scalars(select(AuditEventRow))])
    for secret in (client.client_secret, PASSWORD, "not her password", answers[0].token):
        assert secret not in record


def test_a_change_and_its_event_are_one_transaction(house: House):
    house.role("kept", [])
    with pytest.raises(NotFound), house.changing() as rooms:
        for _ in range(2):
            rooms.roles.delete("kept")
    assert events(house, "role.deleted") == []
    with house.changing() as rooms:
        rooms.roles.delete("kept")
    (event,) = events(house, "role.deleted")
    assert (event.actor, event.target) == ("test:operator", "kept")


def test_a_change_says_what_changed_and_nothing_private(house: House):
    house.client("ci-bot", scopes=["agents:run"])
    user_id = house.user("alice")
    house.role("reader", ["agents:read"])
    with house.changing() as rooms:
        rooms.clients.update("ci-bot", {"scopes": ["agents:read"], "claims": {"pin": "4711"}})
        rooms.users.update(user_id, {"username": "alicia", "email": "alice@home.example"})
        rooms.roles.update("reader", {"scopes": ["agents:read", "teams:read"]})
        rooms.audiences.update("my-os", {"access_token_ttl": 120})
        rooms.roles.update("reader", {"description": "Reads"})
    (client,) = events(house, "client.updated")
    assert client.details == {
        "changed": ["claims", "scopes"],
        "from": {"scopes": ["agents:run"]},
        "to": {"scopes": ["agents:read"]},
    }
    (user,) = events(house, "user.updated")
    assert user.details == {
        "changed": ["email", "username"],
        "from": {"username": "alice"},
        "to": {"username": "alicia"},
    }
    role, again = events(house, "role.updated")
    assert role.details["to"] == {"scopes": ["agents:read", "teams:read"]}
    assert again.details["changed"] == ["description"]
    (audience,) = events(house, "audience.updated")
    assert (audience.details["from"], audience.details["to"]) == (
        {"access_token_ttl": None},
        {"access_token_ttl": 120},
    )


def test_a_very_long_value_is_named_only(house: House):
    house.role("reader", [f"agents:{number:0100}:read" for number in range(30)])
    with house.changing() as rooms:
        rooms.roles.update("reader", {"scopes": []})
    (event,) = events(house, "role.updated")
    assert event.details == {"changed": ["scopes"], "from": {}, "to": {}}
