"""Confidential clients that send a nonce in place of a code challenge (RFC 9700 §2.1.1)."""

from typing import Any

import pytest

from issuer.errors import InvalidField
from tests.builders import Deployment
from tests.sign_in.authorizing import VERIFIER, App, Person, returned

WITHOUT = {"code_challenge": None, "code_challenge_method": None}
OPENID = {"scope": "openid agents:run", "nonce": "n-0S6_WzA2Mj"}


@pytest.fixture
def older(deployment: Deployment, app: App) -> App:
    """An app that knows no PKCE."""
    with deployment.changing() as work:
        work.clients.update(app.client.client_id, {"require_pkce": False})
    return app


def test_without_a_challenge_its_requests_need_openid_and_a_nonce(alice: Person, older: App):
    code = alice.allows(older, **WITHOUT, **OPENID)
    answer = older.redeem(code, code_verifier=None)
    assert answer.status == 200
    assert "id_token" in answer.body
    for missing in ({"nonce": None}, {"scope": "agents:run"}, {"scope": None}):
        refused = returned(alice.visits(older, **{**WITHOUT, **OPENID, **missing}))
        assert refused["error"] == "invalid_request"
        assert refused["error_description"] == (
            "Send code_challenge and code_challenge_method=S256, or a nonce and the scope openid."
        )


def test_a_challenge_that_it_sends_counts_all_the_same(alice: Person, older: App):
    """RFC 9700 §4.8.2: a challenge cannot be taken away on the way."""
    code = alice.allows(older, **OPENID)
    assert older.redeem(code, code_verifier=None).error == "invalid_grant"
    assert older.redeem(code, code_verifier="x" * 43).error == "invalid_grant"
    assert older.redeem(code).status == 200
    plain = returned(alice.visits(older, **OPENID, code_challenge_method="plain"))
    assert plain["error"] == "invalid_request"
    method = returned(alice.visits(older, **OPENID, code_challenge=None))
    assert method["error"] == "invalid_request"


def test_a_verifier_without_a_challenge_is_refused(alice: Person, older: App):
    """RFC 9700 §4.8.2: an attacker took the challenge out of the request."""
    code = alice.allows(older, **WITHOUT, **OPENID)
    assert older.redeem(code, code_verifier=VERIFIER).error == "invalid_grant"
    assert older.redeem(code, code_verifier=None).status == 200


def test_a_code_without_a_challenge_ends_with_the_permission(
    deployment: Deployment, alice: Person, older: App
):
    code = alice.allows(older, **WITHOUT, **OPENID)
    with deployment.changing() as work:
        work.clients.update(older.client.client_id, {"require_pkce": True})
    assert older.redeem(code, code_verifier=None).error == "invalid_grant"
    assert returned(alice.visits(older, **WITHOUT, **OPENID))["error"] == "invalid_request"


@pytest.mark.parametrize(
    "members",
    [{"token_endpoint_auth_method": "none"}, {"require_pkce": False}],
    ids=["becomes public", "is public"],
)
def test_a_client_without_credentials_needs_pkce(
    deployment: Deployment, app: App, members: dict[str, Any]
):
    client_id = app.client.client_id
    before = {"require_pkce": False, "token_endpoint_auth_method": "none"}
    for name in members:
        del before[name]
    with deployment.changing() as work:
        work.clients.update(client_id, before)
    with (
        pytest.raises(InvalidField, match="require_pkce: must be true"),
        deployment.changing() as work,
    ):
        work.clients.update(client_id, members)
