"""The public keys on the page of a client."""

import json

import httpx
import pytest

from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.federation.test_key_sets import KeyWeb
from tests.oauth.asserting import AssertingClient, ask, now
from tests.oauth.conftest import web
from tests.web.browsing import Browser
from tests.web.console.conftest import send

__all__ = ["web"]

PAGE = "/console/clients/ci-bot"


@pytest.fixture
def ci_bot(deployment: Deployment) -> AssertingClient:
    deployment.client("ci-bot", token_endpoint_auth_method="private_key_jwt")
    return AssertingClient.new("ci-bot")


def test_a_key_that_is_added_authenticates_until_it_is_deleted(
    admin: Browser, deployment: Deployment, ci_bot: AssertingClient, token_endpoint: TokenDriver
):
    done = admin.follow(send(admin, PAGE, do="add-key", key=json.dumps(ci_bot.jwk)))
    assert "The key is added to ci-bot." in done.text
    assert "k1 ES256" in done.text
    assert "issuer client update ci-bot --jwks" in done.text
    assert ask(token_endpoint, ci_bot.assertion(now(deployment))).status == httpx.codes.OK
    asked = send(admin, PAGE, do="delete-key", kid="k1")
    assert "the last way in which the client can authenticate" in asked.text
    done = admin.follow(admin.submit(asked, PAGE))
    assert "issuer client key delete ci-bot k1" in done.text
    assert ask(token_endpoint, ci_bot.assertion(now(deployment))).error == "invalid_client"


def test_all_keys_of_a_set_are_added_or_none(
    admin: Browser, deployment: Deployment, ci_bot: AssertingClient
):
    more = [AssertingClient.new("ci-bot", kid=kid).jwk for kid in ("k2", "k3")]
    weak = {"kty": "oct", "k": "c2VjcmV0"}
    assert send(admin, PAGE, do="add-key", key=json.dumps({"keys": [*more, weak]})).status == 400
    assert "k2 ES256" not in admin.get(PAGE).text
    done = admin.follow(send(admin, PAGE, do="add-key", key=json.dumps({"keys": more})))
    assert "2 keys are added" in done.text


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "must be a JWK or a JWK Set"),
        ("{", "is not JSON"),
        ("[]", "must be a JWK or a JWK Set"),
        ('{"keys": []}', "must be a JWK or a JWK Set"),
        ('{"keys": {}}', "must be a JWK or a JWK Set"),
        ('{"keys": ["x"]}', "must be a JWK or a JWK Set"),
        ("{}", "is not a complete RSA, EC or OKP key"),
    ],
)
def test_what_is_no_key_stands_at_its_field(
    admin: Browser, ci_bot: AssertingClient, key: str, message: str
):
    page = send(admin, PAGE, do="add-key", key=key)
    assert page.status == httpx.codes.BAD_REQUEST
    assert message in page.text


def test_a_private_key_is_refused_and_not_sent_back(admin: Browser, ci_bot: AssertingClient):
    private = ci_bot.key.as_dict(private=True)
    page = send(admin, PAGE, do="add-key", key=json.dumps(private))
    assert "holds a private or symmetric key" in page.text
    assert private["d"] not in page.response.text


def test_keys_at_a_url_are_shown_as_they_are_followed(
    admin: Browser, deployment: Deployment, ci_bot: AssertingClient, web: KeyWeb
):
    url = "https://app.example/jwks.json"
    web.publish(url, ci_bot)
    with deployment.changing() as work:
        work.clients.update("ci-bot", {"jwks_uri": url})
    page = admin.get(PAGE)
    assert f"It publishes them at {url}" in page.text
    assert "Add a public key" not in page.text
    assert web.fetched == []
    fetched = admin.follow(send(admin, PAGE, do="fetch-keys"))
    assert "k1 ES256" in fetched.text
    refused = admin.follow(send(admin, PAGE, do="delete-key", kid="k1"))
    assert "There is no key 'k1'" in refused.text
