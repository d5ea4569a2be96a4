"""The secrets on the page of a client, and their rotation."""

from datetime import timedelta

import httpx
import pytest

from issuer.clients.client import SecretFields
from tests.builders import Credentials, Deployment
from tests.drivers import TokenDriver
from tests.oauth.refreshing import events
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import send

PAGE = "/console/clients/ci-bot"


@pytest.fixture
def old(deployment: Deployment) -> Credentials:
    return deployment.client("ci-bot")


def shown(page: PageSeen) -> Credentials:
    assert page.status == httpx.codes.OK
    return Credentials("ci-bot", page.text.partition("CLIENT_SECRET=")[2].split()[0])


def test_a_secret_is_added_with_label_and_expiry(
    admin: Browser, deployment: Deployment, old: Credentials, token_endpoint: TokenDriver
):
    page = send(admin, PAGE, do="create-secret", label="github", expires_at="2027-06-30")
    assert token_endpoint.client_credentials(shown(page)).status == httpx.codes.OK
    command = "issuer client secret create ci-bot --label github --expires-at 2027-06-30T00:00:00Z"
    assert command in page.text
    assert events(deployment, "client.secret_created")[-1].details["label"] == "github"
    deployment.wait(timedelta(days=400))
    admin.sign_in("admin")
    assert "github" in (text := admin.get(PAGE).text)
    assert "expired" in text


def test_an_expiry_that_is_none_stands_at_its_field(admin: Browser, old: Credentials):
    for day, message in (("2020-01-01", "is in the past"), ("soon", "must be like")):
        page = send(admin, PAGE, do="create-secret", label="github", expires_at=day)
        assert page.status == httpx.codes.BAD_REQUEST
        assert message in page.text
        assert 'value="github"' in page.response.text
        assert page.response.text.count(f'value="{day}"') == 1


@pytest.mark.parametrize(
    ("more_settings", "end"), [({}, "never"), ({"client_secret_ttl": "90d"}, "after 90 days")]
)
def test_the_form_says_when_a_secret_without_an_end_expires(
    admin: Browser, old: Credentials, end: str
):
    assert f"At the beginning of that day, UTC; {end} if left out" in admin.get(PAGE).text


def test_a_secret_is_deleted_after_saying_when_it_was_used(
    admin: Browser, deployment: Deployment, old: Credentials, token_endpoint: TokenDriver
):
    with deployment.changing() as work:
        (secret,) = work.clients.secrets("ci-bot")
    asked = send(admin, PAGE, do="delete-secret", secret_id=secret.id)
    assert "It has never been used." in asked.text
    done = admin.follow(admin.submit(asked, PAGE))
    assert f"issuer client secret delete ci-bot {secret.id}" in done.text
    assert token_endpoint.client_credentials(old).error == "invalid_client"
    assert events(deployment, "client.secret_deleted")[-1].details["secret_id"] == secret.id


def test_a_rotation_is_finished_with_evidence(
    admin: Browser, deployment: Deployment, old: Credentials, token_endpoint: TokenDriver
):
    new = shown(send(admin, PAGE, do="start-rotation"))
    assert "The new secret has not been used yet" in admin.get(PAGE).text
    for each in (old, new):
        token_endpoint.client_credentials(each)
    deployment.services.tokens.last_use.write()
    text = admin.get(PAGE).text
    assert "something still used an old one since it was made: just now from" in text
    asked = send(admin, PAGE, do="finish-rotation")
    assert "less than 24 hours ago" in asked.text
    assert "Delete the old secret despite this" in asked.text
    deployment.wait(timedelta(hours=25))
    admin.sign_in("admin")
    asked = send(admin, PAGE, do="finish-rotation")
    assert "despite" not in asked.text
    done = admin.follow(admin.submit(asked, PAGE))
    assert "Deleted the old secrets; the new secret" in done.text
    assert "issuer client rotate finish ci-bot" in done.text
    assert token_endpoint.client_credentials(old).error == "invalid_client"
    assert token_endpoint.client_credentials(new).status == httpx.codes.OK


def test_only_what_was_confirmed_is_deleted(
    admin: Browser, deployment: Deployment, old: Credentials
):
    send(admin, PAGE, do="start-rotation")
    asked = send(admin, PAGE, do="finish-rotation")
    deployment.clock.move(timedelta(seconds=1))
    with deployment.changing() as work:
        work.rotations.cancel("ci-bot")
        work.rotations.start("ci-bot")
    assert "Finish the rotation of ci-bot?" in admin.submit(asked, PAGE).text
    assert not [e for e in events(deployment, "client.secret_deleted") if e.actor == "admin"]


def test_a_rotation_is_cancelled(
    admin: Browser, deployment: Deployment, old: Credentials, token_endpoint: TokenDriver
):
    new = shown(send(admin, PAGE, do="start-rotation"))
    admin.submit(send(admin, PAGE, do="cancel-rotation"), PAGE)
    assert token_endpoint.client_credentials(new).error == "invalid_client"
    assert token_endpoint.client_credentials(old).status == httpx.codes.OK
    assert "Rotate the secret" in admin.get(PAGE).text


def test_a_secret_is_deleted_with_the_tokens_of_the_client_if_a_box_is_ticked(
    admin: Browser, deployment: Deployment, old: Credentials
):
    with deployment.changing() as work:
        ids = [secret.id for secret in work.clients.secrets("ci-bot")]
        ids.append(work.clients.add_secret("ci-bot", SecretFields())[0].id)
    for secret_id, ticked in zip(ids, ({}, {"and_its_tokens": "yes"}), strict=True):
        asked = send(admin, PAGE, do="delete-secret", secret_id=secret_id)
        assert "Also revoke every token of the client" in asked.text
        done = admin.follow(admin.submit(asked, PAGE, **ticked))
        assert f"Deleted the secret {secret_id}." in done.text
        assert len(events(deployment, "client.tokens_revoked")) == len(ticked)
        assert ("--and-its-tokens" in done.text) is bool(ticked)
        assert ("?and_its_tokens=true" in done.text) is bool(ticked)
