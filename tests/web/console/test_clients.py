"""`/console/clients`: the list, and new clients."""

import re
from datetime import timedelta

import httpx
import pytest

from issuer.clients import store as clients_store
from issuer.clients.client import ClientFields
from issuer.vocabulary import RegisteredBy
from tests.builders import Credentials, Deployment
from tests.drivers import TokenDriver
from tests.oauth.refreshing import events
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, forged, person

LIST = "/console/clients"
READ, WRITE = "issuer:clients:read", "issuer:clients:write"


def create(browser: Browser, kind: str = "service", **typed: str) -> PageSeen:
    page = browser.get(LIST, new=kind)
    return browser.submit(page, LIST, **typed)


def test_a_service_is_given_one_agent(
    signed_in: SignedIn, deployment: Deployment, token_endpoint: TokenDriver
):
    operator = signed_in(WRITE)
    page = create(
        operator, client_id="ci-bot", name="CI", audiences="my-os", scopes="agents:web:run"
    )
    assert page.status == httpx.codes.OK
    assert "CLIENT_ID=ci-bot" in page.text
    assert "issuer client create ci-bot" in page.text
    secret = page.text.partition("CLIENT_SECRET=")[2].split()[0]
    answer = token_endpoint.client_credentials(Credentials("ci-bot", secret))
    assert answer.scope == {"agents:web:run"}
    assert events(deployment, "client.created")[-1].target == "ci-bot"


def test_the_first_secret_is_shown_only_in_the_answer(admin: Browser):
    page = create(admin, client_id="ci-bot", audiences="my-os")
    secret = page.text.partition("CLIENT_SECRET=")[2].split()[0]
    assert page.response.headers["cache-control"] == "no-store"
    assert secret not in str(page.response.headers)
    assert secret not in admin.get(f"{LIST}/ci-bot").response.text


def test_roles_are_assigned_at_each_audience(admin: Browser, deployment: Deployment):
    deployment.role("web-runner", ["agents:web:run"])
    deployment.audience("other-os")
    create(admin, client_id="ci-bot", audiences="my-os other-os", roles="web-runner")
    assert [e.details["audience"] for e in events(deployment, "role.assigned")][-2:] == [
        "my-os",
        "other-os",
    ]


def test_an_application_of_people_has_redirect_uris_and_their_grants(
    admin: Browser, deployment: Deployment
):
    page = create(
        admin,
        "public",
        client_id="app",
        audiences="my-os",
        redirect_uris="https://app.example/cb\nhttp://127.0.0.1/cb",
        user_rights="all",
    )
    assert "CLIENT_SECRET" not in page.text
    client = deployment.services.tokens.directory.load_client("app")
    assert client.token_endpoint_auth_method == "none"
    assert client.grant_types == {"authorization_code", "refresh_token"}
    assert client.redirect_uris == ("https://app.example/cb", "http://127.0.0.1/cb")
    assert client.user_rights == "all"


def test_errors_stand_at_their_field_with_what_was_typed(admin: Browser, deployment: Deployment):
    deployment.client("taken")
    for typed, status, message in (
        ({"client_id": "ci bot"}, 400, "must be 1 to 128"),
        ({"client_id": "taken"}, 409, "is taken"),
        ({"scopes": "agents:run\nagents::run"}, 400, "Line 2: must be resource:action"),
        ({"audiences": "nowhere"}, 400, "there is no audience"),
        ({"roles": "no-role"}, 400, "There is no role"),
        ({"roles": "no-role", "audiences": ""}, 400, "name one, at which"),
    ):
        page = create(admin, **{"name": "Typed", "audiences": "my-os", **typed})
        assert page.status == status
        assert message in page.text
        assert 'value="Typed"' in page.response.text
    assert not [e for e in events(deployment, "client.created") if e.details["name"] == "Typed"]


def test_who_may_only_read_sees_no_form_and_creates_nothing(
    signed_in: SignedIn, deployment: Deployment
):
    operator = signed_in(READ)
    assert "New client" not in operator.get(LIST).text
    assert operator.get(LIST, new="service").status == httpx.codes.FORBIDDEN
    refused = forged(deployment, operator, LIST, kind="service", client_id="mine")
    assert refused.status == httpx.codes.FORBIDDEN
    assert "mine" not in operator.get(LIST).text


def test_only_an_admin_creates_a_client_with_rights_at_the_issuer(
    signed_in: SignedIn, deployment: Deployment
):
    operator = signed_in(WRITE)
    page = create(operator, client_id="mine", audiences="my-os", scopes="issuer:keys:read")
    assert page.status == httpx.codes.FORBIDDEN
    assert "issuer:admin" in page.text
    assert deployment.services.tokens.directory.load_client("mine") is None


def test_the_list_says_state_audiences_and_last_use(
    admin: Browser, deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.role("reader", ["agents:read"])
    client = deployment.client("ci-bot", ["reader"], name="Pipeline", scopes=["agents:web:run"])
    deployment.client("old-bot", disabled=True)
    token_endpoint.client_credentials(client)
    deployment.services.tokens.last_use.write()
    text = admin.get(LIST).text
    assert "ci-bot Pipeline reader, agents:web:run client credentials my-os just now" in text
    assert "old-bot disabled none client credentials my-os never" in text
    assert "old-bot" not in admin.get(LIST, search="ci").text


def test_an_empty_search_says_so(admin: Browser):
    assert "No client has “zzz” in its id or name." in admin.get(LIST, search="zzz").text


def test_an_identity_provider_gets_the_url_and_a_token_that_opens_scim(
    admin: Browser, deployment: Deployment
):
    """The token is shown once, and is what Entra and Okta keep."""
    form = admin.get(LIST, new="scim")
    shown = admin.submit(form, LIST, client_id="idp")
    assert f"{deployment.services.settings.url}/scim/v2" in shown.text
    token = re.search(r'id="scim-token"[^>]*>([^<]+)<', shown.response.text)
    assert token
    headers = {"Authorization": f"Bearer {token[1]}"}
    answer = deployment.http.get("/scim/v2/Users", headers=headers)
    assert answer.status_code == httpx.codes.OK
    assert deployment.http.get("/admin/v1/users", headers=headers).status_code != httpx.codes.OK
    assert token[1] not in admin.get(f"{LIST}/idp").response.text
    with deployment.services.administration.reading() as work:
        made = work.clients.get("idp")
    assert made.scopes == ["issuer:scim"]
    assert made.audiences == [deployment.services.settings.url]


def test_only_an_administrator_makes_an_identity_provider(
    signed_in: SignedIn, deployment: Deployment
):
    browser = signed_in("issuer:clients:write", "issuer:scim")
    refused = browser.submit(browser.get(LIST, new="scim"), LIST, client_id="idp")
    assert refused.status == httpx.codes.FORBIDDEN
    with deployment.services.administration.reading() as work:
        assert not work.clients.exists("idp")


def test_the_page_of_a_client_is_found_by_a_name_that_no_other_has(
    admin: Browser, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    deployment.client("pipeline", [], name="Nightly pipeline")
    page = "/console/clients/Nightly%20pipeline"
    assert admin.get(page).location == "/console/clients/pipeline"
    monkeypatch.setattr(clients_store, "_LOOKED_AT", 2)
    assert admin.get(page).status == httpx.codes.NOT_FOUND
    monkeypatch.undo()
    deployment.client("other", [], name="Nightly pipeline")
    assert admin.get(page).status == httpx.codes.NOT_FOUND


def test_filters_are_links_to_clients_of_one_state(
    deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.client("stopped", disabled=True)
    deployment.client("old")
    used = deployment.client("used")
    deployment.client("public", token_endpoint_auth_method="none", grant_types=["refresh_token"])
    deployment.wait(timedelta(days=91))
    deployment.client("new")
    token_endpoint.client_credentials(used)
    deployment.services.tokens.last_use.write()
    app = ClientFields(
        name="App",
        grant_types=["authorization_code"],
        redirect_uris=["https://app.example/"],
        user_rights="all",
    )
    with deployment.changing() as work:
        registered = work.clients.register(app, RegisteredBy.REGISTRATION).client_id
    operator = person(deployment, "operator", [READ])

    def listed(only: str) -> list[str]:
        html = operator.get(LIST, only=only).response.text
        return re.findall(r'<th scope="row"><a href="[^"]*">([^<]*)</a>', html)

    assert "only=secret+unused+for+90+days" in operator.get(LIST).response.text
    assert listed("disabled") == ["stopped"]
    assert listed("secret unused for 90 days") == ["issuer-admin", "old", "stopped"]
    assert listed("registered itself") == [registered]
