"""The password grant (RFC 6749 §4.3)."""

import pytest

from issuer.users import Passwords
from tests.builders import PASSWORD, URL, House
from tests.drivers import TokenEndpoint

PASSWORD_GRANT = {"grant_types": ["password"]}
WRONG = {"error": "invalid_grant", "error_description": "Wrong username or password."}


def test_the_token_speaks_of_the_user_and_names_the_client(
    house: House, token_endpoint: TokenEndpoint
):
    house.role("runner", ["agents:run"])
    client = house.client("app", scopes=["agents:run"], claims={"of": "client"}, **PASSWORD_GRANT)
    user_id = house.user("alice", roles=["runner"], claims={"team": "blue"})
    answer = token_endpoint.password(client, "alice")
    claims = token_endpoint.claims(answer)
    assert user_id.startswith("usr_")
    assert (claims["sub"], claims["client_id"], claims["team"]) == (user_id, "app", "blue")
    assert "of" not in claims
    assert "refresh_token" not in answer.body


def test_user_and_client_must_both_hold_a_scope(house: House, token_endpoint: TokenEndpoint):
    """The meet of what both hold (CONTRACT §4)."""
    house.role("wide", ["agents:run", "sessions:read"])
    client = house.client(scopes=["agents:web:run", "teams:read"], **PASSWORD_GRANT)
    house.user("alice", roles=["wide"])
    assert token_endpoint.password(client, "alice").scope == {"agents:web:run"}
    for scope in ("agents:run", "sessions:read", "teams:read"):
        assert token_endpoint.password(client, "alice", scope=scope).error == "invalid_scope"


def test_everything_wrong_about_a_user_is_one_answer(house: House, token_endpoint: TokenEndpoint):
    """RFC 6749 §5.2."""
    client = house.client(**PASSWORD_GRANT)
    house.user("alice")
    house.user("disabled", disabled=True)
    house.user("no-password", password=None)
    answers = [
        token_endpoint.password(client, "alice", "not the password"),
        token_endpoint.password(client, "nobody"),
        token_endpoint.password(client, "disabled"),
        token_endpoint.password(client, "no-password"),
        token_endpoint.password(client, "x" * 2000),
        token_endpoint.password(client, "alice", "x" * 2000),
    ]
    assert [(answer.status, answer.body) for answer in answers] == [(400, WRONG)] * 6


@pytest.mark.parametrize("username", ["ALICE", "Alice", "\uff41lice"])
def test_user_names_are_compared_by_nfkc_and_case_folding(
    house: House, token_endpoint: TokenEndpoint, username: str
):
    house.user("alice")
    assert token_endpoint.password(house.client(**PASSWORD_GRANT), username).status == 200


def test_passwords_are_compared_in_nfc(house: House, token_endpoint: TokenEndpoint):
    client = house.client(**PASSWORD_GRANT)
    house.user("alice", password="pass-word caf\u00e9")
    assert token_endpoint.password(client, "alice", "pass-word cafe\u0301").status == 200


@pytest.mark.parametrize("missing", ["username", "password"])
def test_a_missing_parameter_is_invalid_request(
    house: House, token_endpoint: TokenEndpoint, missing: str
):
    client = house.client(**PASSWORD_GRANT)
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD, missing: ""}
    answer = token_endpoint.post(data=form, auth=(client.client_id, client.client_secret))
    assert (answer.status, answer.body) == (
        400,
        {"error": "invalid_request", "error_description": f"Missing '{missing}' in request."},
    )


def test_a_client_without_the_grant_may_not_use_it(house: House, token_endpoint: TokenEndpoint):
    house.user("alice")
    answer = token_endpoint.password(house.client(), "alice")
    assert (answer.status, answer.error) == (400, "unauthorized_client")
    only_password = house.client(**PASSWORD_GRANT)
    answer = token_endpoint.client_credentials(only_password)
    assert (answer.status, answer.error) == (400, "unauthorized_client")


@pytest.mark.parametrize("more_settings", [{"password_grant": "false"}])
def test_the_grant_can_be_turned_off_altogether(house: House, token_endpoint: TokenEndpoint):
    """RFC 9700 §2.4."""
    house.user("alice")
    answer = token_endpoint.password(house.client(**PASSWORD_GRANT), "alice")
    metadata = house.http.get("/.well-known/oauth-authorization-server").json()
    assert answer.error == "unsupported_grant_type"
    assert metadata["grant_types_supported"] == ["client_credentials"]


def test_an_old_hash_is_renewed_at_sign_in(house: House, token_endpoint: TokenEndpoint):
    client, user_id = house.client(**PASSWORD_GRANT), house.user("alice")
    old = Passwords("rfc9106").hash(PASSWORD)
    keep_hash(house, user_id, old)
    assert token_endpoint.password(client, "alice").status == 200
    renewed = kept_hash(house, user_id)
    assert renewed != old
    assert "m=19456,t=2,p=1" in renewed
    assert token_endpoint.password(client, "alice").status == 200
    assert kept_hash(house, user_id) == renewed


def test_rights_at_the_issuers_own_audience_need_both_as_well(
    house: House, token_endpoint: TokenEndpoint
):
    house.role("admins", ["issuer:admin"])
    house.user("alice", roles=["admins"])
    reader = house.client(scopes=["issuer:users:read"], audiences=[URL], **PASSWORD_GRANT)
    assert token_endpoint.password(reader, "alice").scope == {"issuer:users:read"}


def keep_hash(house: House, user_id: str, value: str) -> None:
    from issuer.database.tables import UserRow  # noqa: PLC0415

    with house.services.database.transaction() as session:
        session.get_one(UserRow, user_id).password_hash = value


def kept_hash(house: House, user_id: str) -> str:
    from issuer.database.tables import UserRow  # noqa: PLC0415

    with house.services.database.reading() as session:
        return session.get_one(UserRow, user_id).password_hash or ""
