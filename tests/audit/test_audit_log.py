"""Every issued token and every refusal is audited before the answer."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from issuer.database.tables import AuditEventRow
from issuer.errors import NotFound
from tests.builders import PASSWORD, Deployment
from tests.drivers import TokenDriver


def events(deployment: Deployment, action: str) -> Sequence[AuditEventRow]:
    with deployment.services.database.reading() as session:
        query = select(AuditEventRow).where(AuditEventRow.action == action)
        return session.scalars(query.order_by(AuditEventRow.id)).all()


def test_an_issued_token_is_audited_by_its_jti(deployment: Deployment, token_endpoint: TokenDriver):
    client = deployment.client("ci-bot", scopes=["agents:run"])
    answer = token_endpoint.client_credentials(client)
    header, claims = token_endpoint.read(answer)
    (event,) = events(deployment, "token.issued")
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
        ("unknown", "x", "unknown client"),
        ("ci-bot", "x", "wrong secret"),
        ("disabled", None, "disabled client"),
    ],
)
def test_the_audit_log_has_the_reason_that_the_answer_hides(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    client_id: str,
    secret: str | None,
    reason: str,
):
    deployment.client("ci-bot")
    disabled = deployment.client("disabled", disabled=True)
    token_endpoint.post(
        data={"grant_type": "client_credentials"},
        auth=(client_id, secret or disabled.client_secret),
    )
    (event,) = events(deployment, "token.refused")
    assert (event.target, event.outcome, event.reason) == (client_id, "refused", reason)
    assert (event.actor, event.details) == (None, {"error": "invalid_client"})


def test_a_refused_sign_in_names_the_client_and_never_what_was_typed(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """Users sometimes type their password in place of the user name."""
    client = deployment.client("app", grant_types=["password"])
    token_endpoint.password(client, PASSWORD, "something else")
    (event,) = events(deployment, "token.refused")
    assert (event.actor, event.target, event.reason) == ("app", "app", "unknown user")
    assert PASSWORD not in str(vars(event))


def test_a_refused_sign_in_of_a_known_user_names_the_user(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client, user_id = deployment.client("app", grant_types=["password"]), deployment.user("alice")
    token_endpoint.password(client, "alice", "not her password")
    (event,) = events(deployment, "token.refused")
    assert (event.actor, event.target, event.reason) == ("app", user_id, "wrong password")


def test_no_secret_is_in_any_event(deployment: Deployment, token_endpoint: TokenDriver):
    client = deployment.client(grant_types=["client_credentials", "password"])
    deployment.user("alice")
    answers = [
        token_endpoint.client_credentials(client),
        token_endpoint.password(client, "alice"),
        token_endpoint.password(client, "alice", "not her password"),
        token_endpoint.client_credentials(client, scope=client.client_secret),
        token_endpoint.post(
            data={"grant_type": "client_credentials"}, auth=(client.client_secret, "x")
        ),
    ]
    with deployment.services.database.reading() as session:
        record = str([vars(row) for row in session.scalars(select(AuditEventRow))])
    for secret in (client.client_secret, PASSWORD, "not her password", answers[0].token):
        assert secret not in record


def test_a_change_and_its_event_are_one_transaction(deployment: Deployment):
    deployment.role("kept", [])
    with pytest.raises(NotFound), deployment.changing() as work:
        for _ in range(2):
            work.roles.delete("kept")
    assert events(deployment, "role.deleted") == []
    with deployment.changing() as work:
        work.roles.delete("kept")
    (event,) = events(deployment, "role.deleted")
    assert (event.actor, event.target) == ("test:operator", "kept")


def test_the_event_of_a_change_holds_the_difference_without_private_values(deployment: Deployment):
    deployment.client("ci-bot", scopes=["agents:run"])
    user_id = deployment.user("alice")
    deployment.role("reader", ["agents:read"])
    with deployment.changing() as work:
        work.clients.update("ci-bot", {"scopes": ["agents:read"], "claims": {"pin": "4711"}})
        work.users.update(user_id, {"username": "alicia", "email": "alice@home.example"})
        work.roles.update("reader", {"scopes": ["agents:read", "teams:read"]})
        work.audiences.update("my-os", {"access_token_ttl": 120})
        work.roles.update("reader", {"description": "Reads"})
    (client,) = events(deployment, "client.updated")
    assert client.details == {
        "changed": ["claims", "scopes"],
        "from": {"scopes": ["agents:run"]},
        "to": {"scopes": ["agents:read"]},
    }
    (user,) = events(deployment, "user.updated")
    assert user.details == {
        "changed": ["email", "username"],
        "from": {"username": "alice"},
        "to": {"username": "alicia"},
    }
    role, again = events(deployment, "role.updated")
    assert role.details["to"] == {"scopes": ["agents:read", "teams:read"]}
    assert again.details["changed"] == ["description"]
    (audience,) = events(deployment, "audience.updated")
    assert (audience.details["from"], audience.details["to"]) == (
        {"access_token_ttl": None},
        {"access_token_ttl": 120},
    )


def test_of_a_very_long_value_only_the_name_is_kept(deployment: Deployment):
    deployment.role("reader", [f"agents:{number:0100}:read" for number in range(30)])
    with deployment.changing() as work:
        work.roles.update("reader", {"scopes": []})
    (event,) = events(deployment, "role.updated")
    assert event.details == {"changed": ["scopes"], "from": {}, "to": {}}
