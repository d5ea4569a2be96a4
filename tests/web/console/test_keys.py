"""`/console/keys`: the life of the signing keys, and what ends them."""

from datetime import timedelta

import httpx
import pytest

from issuer.keys.schedule import KeyState, SigningKey, state_at
from tests.builders import PASSWORD, Deployment
from tests.oauth.refreshing import events
from tests.verifiers.reporting import left_out, reported
from tests.web.browsing import Browser
from tests.web.console.conftest import SignedIn, forged

PATH = "/console/keys"


def key_that_is(deployment: Deployment, state: KeyState) -> SigningKey:
    keys = deployment.services.keys.keyring.keys
    return next(key for key in keys if state_at(keys, key, deployment.clock()) is state)


def test_each_key_is_shown_with_its_state_as_chart_and_as_table(
    deployment: Deployment, admin: Browser
):
    page = admin.get(PATH)
    for state in (KeyState.ANNOUNCED, KeyState.ACTIVE):
        kid = key_that_is(deployment, state).kid
        assert f'<code class="id">{kid}</code></th><td>{state}</td>' in page.response.text
        assert f"{kid[:8]}… is {state}: " in page.text
    assert "ES256 keys from 2026-11-25" in page.text
    assert 'style="' not in page.response.text


def test_who_may_only_read_cannot_rotate_or_revoke(deployment: Deployment, signed_in: SignedIn):
    browser = signed_in("issuer:keys:read")
    kid = key_that_is(deployment, KeyState.ACTIVE).kid
    deployment.wait(timedelta(days=2))
    browser.sign_in("operator")
    html = browser.get(PATH).response.text
    assert kid in html
    assert "revoke=" not in html
    assert "rotate=" not in html
    assert browser.get(PATH, revoke=kid).status == httpx.codes.FORBIDDEN
    refused = forged(deployment, browser, PATH, do="revoke", revoke=kid, typed=kid[:8])
    assert refused.status == httpx.codes.FORBIDDEN
    refused = forged(deployment, browser, PATH, do="rotate", rotate="ES256", typed="ES256")
    assert refused.status == httpx.codes.FORBIDDEN
    assert key_that_is(deployment, KeyState.ACTIVE).kid == kid


def test_a_key_is_revoked_once_its_id_is_typed(deployment: Deployment, admin: Browser):
    kid = key_that_is(deployment, KeyState.ACTIVE).kid
    successor = key_that_is(deployment, KeyState.ANNOUNCED).kid
    question = admin.get(PATH, revoke=kid)
    assert "Every token that this key signed is refused" in question.text
    refused = admin.submit(question, PATH, typed=kid[:7])
    assert refused.status == httpx.codes.BAD_REQUEST
    assert f"Type {kid[:8]} to confirm." in refused.text
    done = admin.submit(refused, PATH, typed=kid[:8])
    shown = admin.get(done.location)
    assert f"The key {kid} is revoked." in shown.text
    assert f"issuer key revoke {kid}" in shown.text
    assert key_that_is(deployment, KeyState.ACTIVE).kid == successor
    assert [event.target for event in events(deployment, "key.revoked")] == [kid]
    assert "revoked" in admin.get(PATH).text
    assert admin.get(PATH, revoke=kid).status == httpx.codes.NOT_FOUND


def test_the_keys_of_an_algorithm_are_rotated_when_the_next_may_sign(
    deployment: Deployment, admin: Browser
):
    following = key_that_is(deployment, KeyState.ANNOUNCED).kid
    assert "The next key may sign in 1 day" in admin.get(PATH).text
    early = admin.submit(admin.get(PATH, rotate="ES256"), PATH, typed="ES256")
    assert early.status == httpx.codes.CONFLICT
    assert "may not sign before 2026-11-26" in early.text
    deployment.wait(timedelta(days=1, minutes=2))
    admin.sign_in("admin")
    assert "Rotate ES256 keys" in admin.get(PATH).text
    done = admin.submit(admin.get(PATH, rotate="ES256"), PATH, typed="ES256")
    assert "issuer key rotate --alg ES256" in admin.get(done.location).text
    assert key_that_is(deployment, KeyState.ACTIVE).kid == following
    assert following in [event.target for event in events(deployment, "key.activated")]


def test_a_rotation_that_verifiers_are_not_ready_for_needs_a_second_choice(
    deployment: Deployment, admin: Browser
):
    kid = key_that_is(deployment, KeyState.ACTIVE).kid
    deployment.wait(timedelta(days=2))
    admin.sign_in("admin")
    for instance in ("instance-1", "instance-2"):
        reported(deployment, [kid], "192.0.2.1", id=instance)
    assert "would refuse its tokens: my-os at 192.0.2.1, 2 processes." in admin.get(PATH).text
    question = admin.get(PATH, rotate="ES256")
    assert "is refused while these live verifiers lack the next key" in question.text
    assert "my-os at 192.0.2.1, 2 processes" in question.text
    refused = admin.submit(question, PATH, typed="ES256")
    assert refused.status == httpx.codes.CONFLICT
    assert "Force the rotation of the ES256 keys?" in refused.text
    assert "my-os at 192.0.2.1, 2 processes" in refused.text
    untyped = admin.submit(refused, PATH, typed="")
    assert untyped.status == httpx.codes.BAD_REQUEST
    assert "Force the rotation of the ES256 keys?" in untyped.text
    assert key_that_is(deployment, KeyState.ACTIVE).kid == kid
    done = admin.submit(untyped, PATH, typed="ES256")
    assert "issuer key rotate --alg ES256 --force" in admin.get(done.location).text
    assert key_that_is(deployment, KeyState.ACTIVE).kid != kid
    (event,) = [each for each in events(deployment, "key.activated") if each.actor != "system"]
    assert event.details == {"alg": "ES256", "verifiers_lacking": 2}


@pytest.mark.parametrize("parameter", ["rotate", "revoke"])
def test_a_session_that_was_left_open_ends_no_key(
    deployment: Deployment, admin: Browser, parameter: str
):
    kid = key_that_is(deployment, KeyState.ACTIVE).kid
    name = {"rotate": "ES256", "revoke": kid}[parameter]
    question = admin.get(PATH, **{parameter: name})
    deployment.clock.move(timedelta(minutes=11))
    for page in (
        admin.submit(question, PATH, typed=name),
        admin.get(PATH, **{parameter: name}),
    ):
        assert page.location == f"/sign-in?next=%2Fconsole%2Fkeys%3F{parameter}%3D{name}"
    form = admin.get(page.location)
    assert (
        admin.submit(form, "/sign-in", password=PASSWORD).location == f"{PATH}?{parameter}={name}"
    )
    assert key_that_is(deployment, KeyState.ACTIVE).kid == kid


@pytest.mark.parametrize("name", ["rotate", "revoke"])
def test_what_does_not_exist_is_not_found(admin: Browser, name: str):
    assert admin.get(PATH, **{name: "<b>"}).status == httpx.codes.NOT_FOUND


def test_a_rotation_while_verifiers_were_left_out_needs_a_second_choice(
    deployment: Deployment, admin: Browser
):
    kid = key_that_is(deployment, KeyState.ACTIVE).kid
    deployment.wait(timedelta(days=2))
    admin.sign_in("admin")
    left_out(deployment.services)
    question = admin.get(PATH, rotate="ES256")
    assert "About 3 verifiers were left out" in question.text
    refused = admin.submit(question, PATH, typed="ES256")
    assert refused.status == httpx.codes.CONFLICT
    assert key_that_is(deployment, KeyState.ACTIVE).kid == kid
    admin.submit(refused, PATH, typed="ES256")
    assert key_that_is(deployment, KeyState.ACTIVE).kid != kid
