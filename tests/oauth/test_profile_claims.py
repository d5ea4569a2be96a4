"""Name and address of the user in access tokens (`include_profile`)."""

import pytest

from tests.builders import Credentials, Deployment
from tests.drivers import TokenDriver
from tests.oauth.exchanging import actors
from tests.oauth.refreshing import GRANTS
from tests.rows import rows

ALICE = {"name": "Alice", "email": "alice@corp.example"}
FALSE = {"name": "Boss", "email": "boss@corp.example", "email_verified": True}


@pytest.fixture
def app(deployment: Deployment) -> Credentials:
    with deployment.changing() as work:
        work.audiences.update("my-os", {"include_profile": True})
    return deployment.client("app", grant_types=GRANTS, user_rights="all")


def said(deployment: Deployment, endpoint: TokenDriver, app: Credentials) -> dict[str, object]:
    claims = endpoint.claims(endpoint.password(app, "alice"))
    return {name: claims[name] for name in sorted(FALSE) if name in claims}


@rows(
    ("user", "expected"),
    [
        ({**ALICE, "email_verified": True}, {**ALICE}),
        ({**ALICE}, {"name": "Alice"}),
        ({}, {}),
        ({"claims": FALSE}, {}),
        ({**ALICE, "email_verified": True, "claims": FALSE}, {**ALICE}),
    ],
)
def test_a_token_has_the_name_and_the_verified_address_and_no_claim_contradicts_them(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    app: Credentials,
    user: dict[str, object],
    expected: dict[str, object],
):
    user_id = deployment.user("alice", **user)
    assert said(deployment, token_endpoint, app) == expected
    with deployment.changing() as work:
        work.users.delete(user_id)


def test_a_client_has_no_name_and_no_address_there(
    deployment: Deployment, token_endpoint: TokenDriver, app: Credentials
):
    """It is no user, and its claims make it none."""
    client = deployment.client(claims={**FALSE, "team": "blue"})
    claims = token_endpoint.claims(token_endpoint.client_credentials(client))
    assert (claims["team"], claims.keys() & FALSE.keys()) == ("blue", set())


def test_other_audiences_know_none_and_keep_the_claims_of_an_operator(
    deployment: Deployment, token_endpoint: TokenDriver
):
    app = deployment.client("app", grant_types=GRANTS, user_rights="all")
    deployment.user("alice", **ALICE, email_verified=True, claims={"name": "Of the operator"})
    assert said(deployment, token_endpoint, app) == {"name": "Of the operator"}


def test_refreshed_and_exchanged_tokens_have_the_present_profile(
    deployment: Deployment, token_endpoint: TokenDriver
):
    acting = actors(deployment, token_endpoint)
    with deployment.changing() as work:
        for audience in ("my-os", "archive"):
            work.audiences.update(audience, {"include_profile": True})
        work.users.update(acting.user_id, {"name": "Alice"})
    first = acting.sign_in()
    exchanged = acting.by_agent(first.token)
    assert token_endpoint.claims(exchanged)["name"] == "Alice"
    with deployment.changing() as work:
        work.users.update(acting.user_id, {"name": "Alice B"})
    again = token_endpoint.refresh(acting.app, first.refresh_token)
    assert token_endpoint.claims(again)["name"] == "Alice B"
