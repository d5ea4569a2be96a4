"""Clients that publish their keys (`jwks_uri`, RFC 7591 §2), made by hand or by themselves."""

import json
from datetime import timedelta
from typing import Any

import pytest

from issuer.clients.documents import InvalidDocument, read_document
from tests.builders import Credentials, Deployment
from tests.drivers import TokenDriver
from tests.federation.test_key_sets import KeyWeb
from tests.oauth.asserting import AssertingClient, ask, form_of, now
from tests.oauth.refreshing import events
from tests.oauth.test_registration import is_open, register, registered
from tests.rows import rows
from tests.sign_in.authorizing import CALLBACK, App, Person
from tests.sign_in.fixtures import SCOPES, alice

__all__ = ["alice"]

URI = "https://app.example/jwks.json"
DOCUMENT = "https://app.example/client.json"
METHOD = {"token_endpoint_auth_method": "private_key_jwt"}


@pytest.fixture
def batch(deployment: Deployment, web: KeyWeb) -> AssertingClient:
    client = AssertingClient.new("batch")
    web.publish(URI, client)
    deployment.client("batch", jwks_uri=URI, **METHOD)
    return client


def test_the_keys_are_fetched_once_and_then_in_memory(
    deployment: Deployment, batch: AssertingClient, web: KeyWeb, token_endpoint: TokenDriver
):
    for _ in range(5):
        assert ask(token_endpoint, batch.assertion(now(deployment))).status == 200
    assert web.fetched == [URI]


def test_a_rotation_is_followed(
    deployment: Deployment, batch: AssertingClient, web: KeyWeb, token_endpoint: TokenDriver
):
    assert ask(token_endpoint, batch.assertion(now(deployment))).status == 200
    newer = AssertingClient.new("batch", kid="k2")
    web.publish(URI, newer)
    assert ask(token_endpoint, newer.assertion(now(deployment))).status == 200
    assert ask(token_endpoint, batch.assertion(now(deployment))).error == "invalid_client"


def test_unknown_keys_cost_one_fetch_in_five_seconds(
    deployment: Deployment, batch: AssertingClient, web: KeyWeb, token_endpoint: TokenDriver
):
    ask(token_endpoint, batch.assertion(now(deployment)))
    for number in range(10):
        unknown = AssertingClient.new("batch", kid=f"unknown-{number}")
        answer = ask(token_endpoint, unknown.assertion(now(deployment)))
        assert answer.error == "invalid_client"
    assert len(web.fetched) == 2
    assert "no key of this kid" in (events(deployment, "token.refused")[-1].reason or "")
    deployment.clock.move(timedelta(seconds=5))
    assert ask(token_endpoint, batch.assertion(now(deployment))).status == 200


def test_a_url_that_answers_nothing_is_an_authentication_that_fails(
    deployment: Deployment, batch: AssertingClient, web: KeyWeb, token_endpoint: TokenDriver
):
    web.keys.clear()
    assert ask(token_endpoint, batch.assertion(now(deployment))).error == "invalid_client"


def test_an_assertion_is_used_once_also_when_its_key_was_looked_for(
    deployment: Deployment, batch: AssertingClient, token_endpoint: TokenDriver
):
    assertion = batch.assertion(now(deployment))
    assert ask(token_endpoint, assertion).status == 200
    assert ask(token_endpoint, assertion).error == "invalid_client"


@is_open
@pytest.mark.parametrize("is_inline", [True, False])
def test_a_client_registers_with_its_keys_and_redeems_a_code_by_them(
    deployment: Deployment,
    web: KeyWeb,
    token_endpoint: TokenDriver,
    alice: Person,
    is_inline: bool,
):
    """RFC 7591 §2: no secret is made, and it acts for people alone."""
    signer = AssertingClient.new("")
    web.publish(URI, signer)
    keys = {"jwks": signer.jwks} if is_inline else {"jwks_uri": URI}
    answer = registered(deployment, **METHOD, **keys)
    assert "client_secret" not in answer
    assert (answer["token_endpoint_auth_method"], keys.items() <= answer.items()) == (
        "private_key_jwt",
        True,
    )
    signer = AssertingClient(answer["client_id"], key=signer.key)
    app = App(token_endpoint, Credentials(signer.client_id, ""))
    code = alice.allows(app, audience="my-os")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    form |= {"code_verifier": "a-verifier-of-forty-three-characters-or-more"}
    assert app.post(form).error == "invalid_client"  # its id alone
    signed = form_of(signer.assertion(now(deployment)))
    answered = token_endpoint.post(data={**signed, **form})
    assert answered.scope == set(SCOPES)
    machine = ask(token_endpoint, signer.assertion(now(deployment)))
    assert machine.error == "unauthorized_client"


@is_open
@rows(
    "members",
    [
        {},
        {"jwks": {"keys": []}},
        {"jwks": AssertingClient.new("x").jwks, "jwks_uri": URI},
        {"jwks_uri": "http://app.example/jwks"},
        {"jwks": {"keys": [AssertingClient.new("x").key.as_dict(private=True)]}},
    ],
)
def test_a_client_that_registers_for_keys_needs_them_in_one_place(
    deployment: Deployment, members: dict[str, Any]
):
    answer = register(deployment, json={"redirect_uris": [CALLBACK], **METHOD, **members})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


def document(**members: Any) -> bytes:
    return json.dumps({"client_id": DOCUMENT, "redirect_uris": [CALLBACK], **members}).encode()


def test_a_metadata_document_may_name_keys(deployment: Deployment):
    """No shared secret is possible there, but a key is."""
    fields = read_document(DOCUMENT, document(**METHOD, jwks_uri=URI))
    assert (fields.token_endpoint_auth_method, fields.jwks_uri) == ("private_key_jwt", URI)
    with pytest.raises(InvalidDocument, match="required by private_key_jwt"):
        read_document(DOCUMENT, document(**METHOD))
    with deployment.changing() as work:
        client = work.clients.keep_document(fields, pinned=True)
    assert client.jwks_uri == URI
