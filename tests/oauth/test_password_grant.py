"""The password grant (RFC 6749 §4.3)."""

import pytest

from issuer.users import passwords
from issuer.users.passwords import Passwords
from tests.builders import PASSWORD, URL, Deployment
from tests.drivers import TokenDriver
from tests.oauth.refreshing import events
from tests.sign_in.fake_provider import FakeProvider

PASSWORD_GRANT = {"grant_types": ["password"]}
WRONG = {"error": "invalid_grant", "error_description": "Wrong username or password."}


def test_the_subject_is_the_user_and_the_client_is_named(
    deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.role("runner", ["agents:run"])
    client = deployment.client(
        "app", scopes=["agents:run"], claims={"of": "client"}, **PASSWORD_GRANT
    )
    user_id = deployment.user("alice", roles=["runner"], claims={"team": "blue"})
    answer = token_endpoint.password(client, "alice")
    claims = token_endpoint.claims(answer)
    assert user_id.startswith("usr_")
    assert (claims["sub"], claims["client_id"], claims["team"]) == (user_id, "app", "blue")
    assert "of" not in claims
    assert "refresh_token" not in answer.body


def test_user_and_client_must_both_hold_a_scope(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """The token has the scopes that both hold."""
    deployment.role("wide", ["agents:run", "sessions:read"])
    client = deployment.client(scopes=["agents:web:run", "teams:read"], **PASSWORD_GRANT)
    deployment.user("alice", roles=["wide"])
    assert token_endpoint.password(client, "alice").scope == {"agents:web:run"}
    for scope in ("agents:run", "sessions:read", "teams:read"):
        assert token_endpoint.password(client, "alice", scope=scope).error == "invalid_scope"


def test_every_wrong_username_or_password_gets_the_same_response(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """RFC 6749 §5.2."""
    client = deployment.client(**PASSWORD_GRANT)
    deployment.user("alice")
    deployment.user("disabled", disabled=True)
    deployment.user("no-password", password=None)
    answers = [
        token_endpoint.password(client, "alice", "not the password"),
        token_endpoint.password(client, "unknown"),
        token_endpoint.password(client, "disabled"),
        token_endpoint.password(client, "no-password"),
        token_endpoint.password(client, "x" * 2000),
        token_endpoint.password(client, "alice", "x" * 2000),
    ]
    assert [(answer.status, answer.body) for answer in answers] == [(400, WRONG)] * 6


@pytest.mark.parametrize("username", ["ALICE", "Alice", "\uff41lice"])
def test_user_names_are_compared_by_nfkc_and_case_folding(
    deployment: Deployment, token_endpoint: TokenDriver, username: str
):
    deployment.user("alice")
    assert token_endpoint.password(deployment.client(**PASSWORD_GRANT), username).status == 200


def test_passwords_are_compared_in_nfc(deployment: Deployment, token_endpoint: TokenDriver):
    client = deployment.client(**PASSWORD_GRANT)
    deployment.user("alice", password="pass-word caf\u00e9")
    assert token_endpoint.password(client, "alice", "pass-word cafe\u0301").status == 200


@pytest.mark.parametrize("missing", ["username", "password"])
def test_a_missing_parameter_is_invalid_request(
    deployment: Deployment, token_endpoint: TokenDriver, missing: str
):
    client = deployment.client(**PASSWORD_GRANT)
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD, missing: ""}
    answer = token_endpoint.post(data=form, auth=(client.client_id, client.client_secret))
    assert (answer.status, answer.body) == (
        400,
        {"error": "invalid_request", "error_description": f"Missing '{missing}' in request."},
    )


def test_a_client_without_the_grant_may_not_use_it(
    deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.user("alice")
    answer = token_endpoint.password(deployment.client(), "alice")
    assert (answer.status, answer.error) == (400, "unauthorized_client")
    only_password = deployment.client(**PASSWORD_GRANT)
    answer = token_endpoint.client_credentials(only_password)
    assert (answer.status, answer.error) == (400, "unauthorized_client")


@pytest.mark.parametrize("more_settings", [{"password_grant": "false"}])
def test_the_grant_can_be_disabled(deployment: Deployment, token_endpoint: TokenDriver):
    """RFC 9700 §2.4."""
    deployment.user("alice")
    answer = token_endpoint.password(deployment.client(**PASSWORD_GRANT), "alice")
    metadata = deployment.http.get("/.well-known/oauth-authorization-server").json()
    assert answer.error == "unsupported_grant_type"
    assert "password" not in metadata["grant_types_supported"]


def test_an_old_hash_is_renewed_at_sign_in(deployment: Deployment, token_endpoint: TokenDriver):
    client, user_id = deployment.client(**PASSWORD_GRANT), deployment.user("alice")
    old = Passwords("rfc9106").hash(PASSWORD)
    store_hash(deployment, user_id, old)
    assert token_endpoint.password(client, "alice").status == 200
    renewed = stored_hash(deployment, user_id)
    assert renewed != old
    assert f"m={passwords.OWASP.memory_cost}," in renewed
    assert token_endpoint.password(client, "alice").status == 200
    assert stored_hash(deployment, user_id) == renewed


def test_rights_at_the_issuers_own_audience_need_both_as_well(
    deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.role("admins", ["issuer:admin"])
    deployment.user("alice", roles=["admins"])
    reader = deployment.client(scopes=["issuer:users:read"], audiences=[URL], **PASSWORD_GRANT)
    assert token_endpoint.password(reader, "alice").scope == {"issuer:users:read"}


def store_hash(deployment: Deployment, user_id: str, value: str) -> None:
    from issuer.database.tables import UserRow  # noqa: PLC0415

    with deployment.services.database.transaction() as session:
        session.get_one(UserRow, user_id).password_hash = value


def stored_hash(deployment: Deployment, user_id: str) -> str:
    from issuer.database.tables import UserRow  # noqa: PLC0415

    with deployment.services.database.reading() as session:
        return session.get_one(UserRow, user_id).password_hash or ""


def test_nobody_signs_in_by_it_where_a_trusted_issuer_is_the_only_way(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """A leaver who is disabled there must not get in with a password here."""
    client = deployment.client(scopes=["agents:run"], **PASSWORD_GRANT)
    deployment.user("alice")
    provider = FakeProvider.trusted(deployment)
    assert token_endpoint.password(client, "alice").status == 200
    provider.change(sign_in={"only": True})
    assert token_endpoint.password(client, "alice").body == WRONG
    (refused,) = events(deployment, "token.refused")
    assert refused.reason == "people sign in at a trusted issuer alone"
