"""People sign in through a client that only its metadata document describes."""

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Event

import pytest
from starlette.testclient import TestClient

from issuer.audit import Actor
from issuer.clients.documents import read_document
from issuer.composition import compose
from issuer.directory import ClientRecord
from issuer.federation import FetchedDocument, FetchRefused
from issuer.server.app import create_app
from issuer.vocabulary import CLIENT_ASSERTION_TYPE
from tests.builders import PASSWORD, URL, Credentials, Deployment
from tests.clients.test_documents import CALLBACK, CLIENT, Web, body
from tests.drivers import TokenAnswer, TokenDriver
from tests.oauth.asserting import AssertingClient
from tests.oauth.refreshing import events
from tests.sign_in.authorizing import BROWSER, App, Person, sign_in
from tests.sign_in.fixtures import SCOPES, alice
from tests.web.browsing import Browser

__all__ = ["alice"]

pytestmark = pytest.mark.parametrize(
    "more_settings", [{"client_metadata_hosts": "app.example"}], ids=["app.example"]
)


@pytest.fixture
def web(deployment: Deployment) -> Web:
    """The internet, as this issuer sees it."""
    web = Web()
    documents = deployment.services.tokens.client_documents
    documents._of_stored._fetcher = documents._of_unknown._fetcher = web
    web.publish()
    return web


@pytest.fixture
def app(web: Web, token_endpoint: TokenDriver) -> App:
    return App(token_endpoint, Credentials(CLIENT, ""), CALLBACK)


def is_stored(deployment: Deployment) -> bool:
    return deployment.services.tokens.directory.load_client(CLIENT) is not None


def test_metadata_says_that_documents_are_accepted(deployment: Deployment):
    metadata = deployment.http.get("/.well-known/oauth-authorization-server").json()
    assert metadata["client_id_metadata_document_supported"] is True


def test_a_person_allows_it_and_gets_a_token(deployment: Deployment, app: App, alice: Person):
    """Nothing is stored before: anybody can open such a URL."""
    assert alice.visits(app, audience="my-os").status_code == 303
    assert not is_stored(deployment)
    answer = alice.signs_in_to(app, audience="my-os")
    assert is_stored(deployment)
    (event,) = events(deployment, "client.registered")
    assert (event.actor, event.target) == (alice.user_id, CLIENT)
    assert app.endpoint.claims(answer)["client_id"] == CLIENT
    assert answer.scope == set(SCOPES)
    assert app.refresh(answer.refresh_token).status == 200


def test_who_denies_stores_nothing(deployment: Deployment, app: App, alice: Person):
    step = alice.next_step(app, audience="my-os")
    deployment.services.people.flow.deny(step.request, alice.session, BROWSER)
    assert not is_stored(deployment)


def test_the_redirect_uri_must_stand_in_the_document(web: Web, app: App, alice: Person):
    answer = alice.visits(app, redirect_uri="https://evil.example/")
    assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_a_document_that_lost_its_redirect_uri_ends_the_request(
    deployment: Deployment, web: Web, app: App, alice: Person
):
    step = alice.next_step(app, audience="my-os")
    web.publish(redirect_uris=["https://app.example/other"])
    deployment.clock.move(timedelta(minutes=5))
    after = deployment.services.people.flow.allow(step, alice.session, BROWSER)
    assert not hasattr(after, "url")
    assert not is_stored(deployment)


def test_a_disabled_or_deleted_client_is_refused(deployment: Deployment, app: App, alice: Person):
    tokens = alice.signs_in_to(app, audience="my-os")
    with deployment.changing() as work:
        work.clients.update(CLIENT, {"disabled": True})
    deployment.services.tokens.changes.poll()
    assert alice.visits(app, audience="my-os").status_code == 400
    assert app.refresh(tokens.refresh_token).error == "invalid_client"
    with deployment.changing() as work:
        work.clients.delete(CLIENT)
    deployment.services.tokens.changes.poll()
    alice.signs_in_to(app, audience="my-os")
    assert app.refresh(tokens.refresh_token).error == "invalid_grant"


def test_it_never_gets_a_token_for_the_issuer(app: App, alice: Person):
    answer = alice.visits(app, audience=URL)
    assert "code=" not in answer.headers.get("location", "")


def test_the_pages_name_a_client_that_nobody_has_allowed_yet_and_its_host(
    deployment: Deployment, app: App, alice: Person
):
    browser = Browser(deployment.http)
    page = browser.follow(browser.get("/oauth2/authorize", **app.request(audience="my-os")))
    assert "Sign in to App" in page.text
    typed = {"username": "alice", "password": PASSWORD}
    consent = browser.follow(browser.submit(page, "/sign-in", **typed))
    assert "Published at app.example" in consent.text


def test_a_host_that_is_not_named_is_never_asked(web: Web, app: App, alice: Person):
    evil = App(app.endpoint, Credentials("https://evil.example/client.json", ""), CALLBACK)
    assert alice.visits(evil).status_code == 400
    assert web.asked == []


def test_two_people_may_allow_it_at_the_same_moment(
    deployment: Deployment, app: App, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    """Both found that it is not stored: one registers it, and the other finds it then."""
    bob = sign_in(deployment, deployment.user("bob", roles=["runner"]))
    flow, both = deployment.services.people.flow, Barrier(2, timeout=10)
    keep_client = flow._keep_client

    def keep_with_the_other(client: ClientRecord, actor: Actor) -> None:
        both.wait()
        keep_client(client, actor)

    monkeypatch.setattr(flow, "_keep_client", keep_with_the_other)
    with ThreadPoolExecutor(2) as threads:
        answers = list(
            threads.map(lambda person: person.allows(app, audience="my-os"), (alice, bob))
        )
    assert len(answers) == 2
    assert len(events(deployment, "client.registered")) == 1


def test_a_url_that_differs_only_in_case_gets_a_page_for_its_developer(
    deployment: Deployment, web: Web, app: App, alice: Person
):
    """Ids are compared without regard to case: the first that somebody allowed stays."""
    alice.signs_in_to(app, audience="my-os")
    other = CLIENT.replace("client", "Client")
    web.publish(other)
    second = App(app.endpoint, Credentials(other, ""), CALLBACK)
    browser = Browser(deployment.http)
    asked = browser.get("/oauth2/authorize", **second.request(audience="my-os"))
    sign_in_page = browser.follow(asked)
    typed = {"username": "alice", "password": PASSWORD}
    consent = browser.follow(browser.submit(sign_in_page, "/sign-in", **typed))
    page = browser.submit(consent, "/consent", decision="allow")
    assert page.status == 400
    assert f"Sent {other}" in page.text
    assert "Ids are compared without regard to case." in page.text
    assert len(events(deployment, "client.registered")) == 1
    assert alice.visits(app, audience="my-os").status_code == 303


@pytest.mark.parametrize("pinned", [False, True])
def test_a_host_that_is_no_longer_named_is_refused_everywhere_unless_pinned(
    deployment: Deployment, app: App, alice: Person, pinned: bool
):
    """The issuer is started again with another setting."""
    answer, unused = alice.signs_in_to(app, audience="my-os"), alice.allows(app, audience="my-os")
    if pinned:
        with deployment.changing() as work:
            work.clients.keep_document(read_document(CLIENT, body()), pinned=True)
    settings = deployment.services.settings.model_copy(
        update={"client_metadata_hosts": ("other.example",)}
    )
    again = compose(settings, deployment.clock)
    with TestClient(create_app(again), base_url=settings.url) as http:
        after = App(TokenDriver(http), app.client, CALLBACK)
        person = replace(alice, deployment=Deployment(again, deployment.admin, http))
        statuses = (
            person.visits(after, audience="my-os").status_code,
            after.redeem(unused).status,
            after.refresh(answer.refresh_token).status,
            http.get("/oauth2/userinfo", headers=bearer(answer)).status_code,
        )
    assert statuses == ((303, 200, 200, 403) if pinned else (400, 401, 401, 401))


def signing(deployment: Deployment, who: AssertingClient) -> dict[str, str]:
    """The parameters with which a client authenticates by a key of its document."""
    assertion = who.assertion(deployment.clock().timestamp())
    return {"client_assertion": assertion, "client_assertion_type": CLIENT_ASSERTION_TYPE}


def publish_key(web: Web, who: AssertingClient, max_age: float | None = None) -> None:
    web.publish(max_age=max_age, token_endpoint_auth_method="private_key_jwt", jwks=who.jwks)


def test_a_key_rotated_in_the_document_counts_at_once(
    deployment: Deployment, web: Web, app: App, alice: Person
):
    """The new key is looked for; the old one ends with it, whatever the answer was cached for."""
    old, new = (AssertingClient.new(CLIENT, kid=kid) for kid in ("old", "new"))
    publish_key(web, old, max_age=86_400)
    answer = app.redeem(alice.allows(app, audience="my-os"), **signing(deployment, old))
    publish_key(web, new, max_age=86_400)
    deployment.wait(timedelta(minutes=2))
    answer = app.refresh(answer.refresh_token, **signing(deployment, old))
    answer = app.refresh(answer.refresh_token, **signing(deployment, new))
    assert answer.status == 200
    assert app.refresh(answer.refresh_token, **signing(deployment, old)).error == "invalid_client"
    assert app.refresh(answer.refresh_token, **signing(deployment, new)).status == 200


def test_a_document_is_read_again_at_the_token_endpoint_when_it_is_due(
    deployment: Deployment, web: Web, app: App, alice: Person
):
    answer = alice.signs_in_to(app, audience="my-os")
    who = AssertingClient.new(CLIENT)
    publish_key(web, who)
    deployment.wait(timedelta(minutes=5))
    assert app.refresh(answer.refresh_token).error == "invalid_client"
    assert app.refresh(answer.refresh_token, **signing(deployment, who)).status == 200


def test_what_anybody_sends_to_the_token_endpoint_causes_one_fetch_a_minute(
    deployment: Deployment, web: Web, app: App, alice: Person
):
    """With keys that nobody knows; and none for a client that no person has allowed anything."""
    who = AssertingClient.new(CLIENT)
    publish_key(web, who)
    answer = app.redeem(alice.allows(app, audience="my-os"), **signing(deployment, who))
    deployment.wait(timedelta(minutes=1))
    web.asked.clear()
    for number in range(5):
        unknown = replace(who, kid=f"unknown-{number}")
        refused = app.refresh(answer.refresh_token, **signing(deployment, unknown))
        assert refused.error == "invalid_client"
        nobody = App(app.endpoint, Credentials(f"https://app.example/{number}", ""), CALLBACK)
        assert nobody.refresh("none").error == "invalid_client"
    assert web.asked == [CLIENT]
    assert app.refresh(answer.refresh_token, **signing(deployment, who)).status == 200


def test_a_client_whose_document_is_gone_is_refused_everywhere_after_a_day(
    deployment: Deployment, web: Web, app: App, alice: Person
):
    """A process that starts meanwhile does not wait for another day."""
    answer = alice.signs_in_to(app, audience="my-os", scope="openid offline_access")
    deployment.wait(timedelta(minutes=5))
    answer = app.refresh(answer.refresh_token)  # the document is read once more
    del web.documents[CLIENT]
    deployment.wait(timedelta(hours=23, minutes=59))
    answer = app.refresh(answer.refresh_token)
    assert answer.status == 200
    again = compose(deployment.services.settings, deployment.clock)
    documents = again.tokens.client_documents
    documents._of_stored._fetcher = documents._of_unknown._fetcher = web
    with TestClient(create_app(again), base_url=URL) as http:
        after = App(TokenDriver(http), app.client, CALLBACK)
        answer = after.refresh(answer.refresh_token)
        assert answer.status == 200
        deployment.wait(timedelta(minutes=1))
        again.tokens.changes.poll()
        for each in (app, after):
            refused = each.refresh(answer.refresh_token)
            assert (refused.status, refused.error) == (401, "invalid_client")
            revoking = {"client_id": CLIENT, "token": answer.refresh_token}
            assert each.endpoint.http.post("/oauth2/revoke", data=revoking).status_code == 401
        newly = sign_in(deployment, alice.user_id)
        for each in (deployment, Deployment(again, deployment.admin, http)):
            assert replace(newly, deployment=each).visits(app).status_code == 400


def test_documents_that_are_slow_leave_threads_for_pages(
    deployment: Deployment, web: Web, app: App, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    """Of clients that are known as well as of any URL that somebody opens."""
    known = [f"https://app.example/known-{number}" for number in range(8)]
    with deployment.changing() as work:
        for url in known:
            work.clients.keep_document(read_document(url, body(url)))
    ended, urls = Event(), [*known, *(f"https://app.example/{number}" for number in range(8))]

    def fetch(url: str) -> FetchedDocument:
        ended.wait(30)
        raise FetchRefused(f"{url} did not answer.")

    def opened(url: str) -> int:
        return alice.visits(App(app.endpoint, Credentials(url, ""), CALLBACK)).status_code

    monkeypatch.setattr(web, "fetch", fetch)
    with ThreadPoolExecutor(len(urls) + 1) as threads:
        slow = [threads.submit(opened, url) for url in urls]
        wait(slow, timeout=1)
        try:
            page = threads.submit(deployment.http.get, "/sign-in")
            assert page.result(timeout=10).status_code == 200
        finally:
            ended.set()


def bearer(answer: TokenAnswer) -> dict[str, str]:
    return {"Authorization": f"Bearer {answer.token}"}
