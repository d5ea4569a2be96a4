"""Refresh tokens and codes that are bound to a key (RFC 9449 §5, §10)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.builders import Credentials, Deployment
from tests.dpop.proving import ProofKey, ProvingDriver
from tests.drivers import TokenDriver
from tests.oauth.refreshing import events
from tests.oauth.test_dpop import is_bound, refused
from tests.rows import rows
from tests.sign_in.authorizing import App, Person, returned
from tests.sign_in.devices import GRANT as DEVICE_CODE
from tests.sign_in.devices import DeviceClient, allows

OTHER = ProofKey()


@pytest.fixture
def proving(deployment: Deployment) -> ProvingDriver:
    return ProvingDriver(deployment)


@pytest.fixture
def bound_app(public_app: App, proving: ProvingDriver) -> App:
    """A public client that proves its key with every request."""
    return replace(public_app, endpoint=proving)


def test_the_refresh_token_of_a_public_client_is_of_no_use_without_its_key(
    deployment: Deployment, alice: Person, bound_app: App, public_app: App, proving: ProvingDriver
):
    """Used by whoever has no key, or another, it is `invalid_grant`, and its family lives on."""
    thief = replace(bound_app, endpoint=ProvingDriver(deployment, OTHER))
    token = alice.signs_in_to(bound_app, scope="openid offline_access agents:run").refresh_token
    for _ in range(3):
        deployment.wait(timedelta(days=5))
        assert refused(public_app.refresh(token)) == (400, "invalid_grant")
        assert refused(thief.refresh(token)) == (400, "invalid_grant")
        assert events(deployment, "token.refused")[-1].reason == (
            "refresh token bound to another key"
        )
        answer = bound_app.refresh(token)
        assert is_bound(answer, proving)
        token = answer.refresh_token
    assert events(deployment, "refresh.reused") == []


def test_a_stolen_refresh_token_that_was_used_does_not_end_the_family(
    deployment: Deployment, alice: Person, bound_app: App, public_app: App, proving: ProvingDriver
):
    """A thief without the key cannot sign the user out either."""
    first = alice.signs_in_to(bound_app).refresh_token
    second = bound_app.refresh(first).refresh_token
    deployment.wait(timedelta(hours=1))
    for app in (public_app, replace(bound_app, endpoint=ProvingDriver(deployment, OTHER))):
        assert refused(app.refresh(first)) == (400, "invalid_grant")
    assert events(deployment, "refresh.reused") == []
    assert is_bound(bound_app.refresh(second), proving)
    assert refused(bound_app.refresh(first)) == (400, "invalid_grant")
    assert len(events(deployment, "refresh.reused")) == 1


@pytest.mark.parametrize("more_settings", [{"refresh_reuse_grace": "10s"}])
def test_a_lost_response_is_repeated_with_the_key_alone(
    alice: Person, bound_app: App, public_app: App, proving: ProvingDriver
):
    token = alice.signs_in_to(bound_app).refresh_token
    lost = bound_app.refresh(token)
    assert refused(public_app.refresh(token)) == (400, "invalid_grant")
    again = bound_app.refresh(token)
    assert again.refresh_token == lost.refresh_token
    assert is_bound(again, proving)


def test_a_public_client_that_begins_to_prove_a_key_is_bound_from_then_on(
    alice: Person, bound_app: App, public_app: App, proving: ProvingDriver
):
    token = public_app.refresh(alice.signs_in_to(public_app).refresh_token).refresh_token
    answer = bound_app.refresh(token)
    assert is_bound(answer, proving)
    assert refused(public_app.refresh(answer.refresh_token)) == (400, "invalid_grant")
    assert is_bound(bound_app.refresh(answer.refresh_token), proving)


def test_the_refresh_token_of_a_confidential_client_is_bound_to_the_client_alone(
    deployment: Deployment, alice: Person, app: App, proving: ProvingDriver
):
    """RFC 9449 §5: it can change its key; each access token is bound to that of its request."""
    answer = alice.signs_in_to(replace(app, endpoint=proving))
    assert is_bound(answer, proving)
    other = ProvingDriver(deployment, OTHER)
    answer = replace(app, endpoint=other).refresh(answer.refresh_token)
    assert is_bound(answer, other)
    assert app.refresh(answer.refresh_token).body["token_type"] == "Bearer"


def test_introspection_says_to_which_key_a_refresh_token_is_bound(
    deployment: Deployment, alice: Person, bound_app: App, app: App, proving: ProvingDriver
):
    token = alice.signs_in_to(bound_app)
    found = proving.introspect(deployment.admin, token.refresh_token)
    assert (found["token_type"], found["cnf"]) == ("refresh_token", {"jkt": proving.key.jkt})
    found = proving.introspect(deployment.admin, token.token)
    assert (found["token_type"], found["cnf"]) == ("DPoP", {"jkt": proving.key.jkt})
    unbound = proving.introspect(deployment.admin, alice.signs_in_to(app).token)
    assert unbound["token_type"] == "Bearer"
    assert "cnf" not in unbound


def test_a_code_with_dpop_jkt_is_of_no_use_without_the_key(
    deployment: Deployment, alice: Person, bound_app: App, public_app: App, proving: ProvingDriver
):
    """RFC 9449 §10; whoever stole the code does not use it up."""
    code = alice.allows(bound_app, dpop_jkt=proving.key.jkt)
    thief = replace(bound_app, endpoint=ProvingDriver(deployment, OTHER))
    for app in (public_app, thief):
        assert refused(app.redeem(code)) == (400, "invalid_grant")
    assert is_bound(bound_app.redeem(code), proving)
    assert refused(thief.redeem(code)) == (400, "invalid_grant")
    assert events(deployment, "token.refused")[-1].reason == "bound to another key"


def test_the_browser_keeps_to_which_key_the_code_will_be_bound(
    deployment: Deployment, app: App, proving: ProvingDriver
):
    people = deployment.services.people
    pairs = list(app.request(dpop_jkt=proving.key.jkt).items())
    validated = people.validation.validate(pairs)
    assert isinstance(validated, tuple)
    request, sealed = validated
    assert request.dpop_jkt == proving.key.jkt
    assert people.requests.open(sealed) == request


def test_a_device_code_with_dpop_jkt_is_of_no_use_without_the_key(
    deployment: Deployment, alice: Person, proving: ProvingDriver
):
    client = deployment.client(
        "tv",
        grant_types=[DEVICE_CODE, "refresh_token"],
        token_endpoint_auth_method="none",
        user_rights="all",
    )
    device = DeviceClient(deployment, proving, Credentials(client.client_id, ""))
    assert device.request(dpop_jkt="short").json()["error"] == "invalid_request"
    device.asks(dpop_jkt=proving.key.jkt)
    allows(alice, device)
    for endpoint in (TokenDriver(deployment.http), ProvingDriver(deployment, OTHER)):
        assert refused(replace(device, endpoint=endpoint).polls()) == (400, "invalid_grant")
    answer = device.polls()
    assert is_bound(answer, proving)
    assert is_bound(device.refresh(answer.refresh_token), proving)


@rows("jkt", ["short", "a" * 42 + "=", "a" * 44, "ä" * 43])
def test_dpop_jkt_is_a_thumbprint(alice: Person, app: App, jkt: str):
    assert returned(alice.visits(app, dpop_jkt=jkt))["error"] == "invalid_request"
