"""`/console/clients/{key}`: one client; its secrets are in test_client_secrets.py."""

import json

import httpx
import pytest

from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.oauth.asserting import AssertingClient
from tests.oauth.exchanging import EXCHANGE
from tests.oauth.refreshing import events
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, forged, send

PAGE = "/console/clients/ci-bot"
ELSEWHERE = {
    **{"issuer": "https://login.example", "resource": "urn:mcp", "client_id": "ours"},
    "scopes": ["tools:call"],
}
READ, WRITE = "issuer:clients:read", "issuer:clients:write"


@pytest.fixture(autouse=True)
def ci_bot(deployment: Deployment) -> None:
    deployment.role("web-runner", ["agents:web:run"])
    deployment.client("ci-bot", ["web-runner"], name="Pipeline", scopes=["sessions:read"])


def edit(browser: Browser, **typed: str) -> PageSeen:
    form = browser.get(PAGE, edit="yes").form(PAGE).fields
    unchecked = {"password", "refresh_token", "authorization_code", "first_party"}
    kept = {n: v for n, v in form.items() if n not in {*unchecked, "may_set_session"}}
    texts = {"audiences": "my-os", "scopes": "sessions:read"}
    chosen = {"token_endpoint_auth_method": "client_secret_basic", "user_rights": "own"}
    return browser.post(PAGE, {**kept, **texts, **chosen, "do": "save", **typed})


def confirm(browser: Browser, page: PageSeen, **typed: str) -> PageSeen:
    return browser.submit(page, PAGE, **typed)


def test_a_form_has_what_this_kind_of_client_can_have(deployment: Deployment, admin: Browser):
    service = admin.get(PAGE, edit="yes").text
    for text in ("Redirect URIs", "Rights of people", "First party"):
        assert text not in service
    for text in ("Public keys", "Acts for people"):
        assert text in service
    deployment.client(
        "app",
        grant_types=["authorization_code", "refresh_token"],
        redirect_uris=["https://app.example/"],
        token_endpoint_auth_method="none",
    )
    public = admin.get("/console/clients/app", edit="yes").text
    for text in ("Redirect URIs", "Rights of people", "First party"):
        assert text in public
    for text in ("Public keys", "Acts for people"):
        assert text not in public


def test_what_a_form_has_not_stays_as_it_is(deployment: Deployment, admin: Browser):
    with deployment.changing() as work:
        work.clients.update("ci-bot", {"post_logout_redirect_uris": ["https://app.example/"]})
        before = work.clients.get("ci-bot")
    form = admin.get(PAGE, edit="yes").form(PAGE).fields
    assert "post_logout_redirect_uris" in form["members"].split()
    kept = {**form, "members": "name", "name": "Renamed", "do": "save"}
    admin.post(PAGE, {n: v for n, v in kept.items() if not n.startswith("pick")})
    with deployment.changing() as work:
        after = work.clients.get("ci-bot")
    assert after == before.model_copy(
        update={"name": "Renamed", "version": after.version, "updated_at": after.updated_at}
    )


def test_a_field_that_is_needed_now_is_shown_with_its_error(admin: Browser):
    page = edit(admin, authorization_code="yes")
    assert page.status == httpx.codes.BAD_REQUEST
    assert "Redirect URIs : must name one for the grant type authorization_code" in page.text
    assert 'name="redirect_uris"' in page.response.text


def test_rights_are_said_in_words_with_where_they_come_from(admin: Browser):
    text = admin.get(PAGE).text
    assert "agents:web:run Run the agent web web-runner everywhere" in text
    assert "sessions:read See all sessions and their messages directly" in text


def test_a_token_is_shown_as_it_would_be_now(admin: Browser):
    text = admin.get(PAGE).text
    assert '"sub": "ci-bot"' in text
    assert "bytes. Nothing is issued." in text


def test_keys_are_given_and_shown_and_kept_by_other_changes(admin: Browser, deployment: Deployment):
    """With them the client needs no secret."""
    jwks = AssertingClient.new("ci-bot").jwks
    key = {"token_endpoint_auth_method": "private_key_jwt", "jwks": json.dumps(jwks)}
    assert admin.follow(edit(admin, **key)).text.count("k1 ES256") == 1
    edit(admin, **key, name="Renamed")
    with deployment.services.administration.reading() as work:
        client = work.clients.get("ci-bot")
    assert (client.name, client.jwks, client.jwks_uri) == ("Renamed", jwks, None)
    for wrong in ("{", '{"keys": []}'):
        page = edit(admin, token_endpoint_auth_method="private_key_jwt", jwks=wrong)
        assert page.status == httpx.codes.BAD_REQUEST
    uri = {"jwks": "", "jwks_uri": "https://app.example/jwks"}
    done = admin.follow(edit(admin, token_endpoint_auth_method="private_key_jwt", **uri))
    assert "at https://app.example/jwks" in done.text
    assert "--jwks ''" in done.text


def test_where_it_acts_for_people_is_said_before_and_after(admin: Browser, deployment: Deployment):
    deployment.audience("archive")
    asked = edit(admin, may_act="archive=my-os\n", external_audiences=json.dumps(ELSEWHERE))
    assert "It may act at my-os for people whose tokens for archive it has." in asked.text
    at = "for people at https://login.example, for urn:mcp"
    assert f"It may act {at}, as ours with " in asked.text
    done = admin.follow(confirm(admin, asked))
    assert "--may-act archive=my-os" in done.text
    text = admin.get(PAGE).text
    assert "my-os archive its rights there" in text
    assert "urn:mcp archive , or itself tools:call , as ours at https://login.example" in text
    assert "It lacks the grant type token-exchange" in text
    form = admin.get(PAGE, edit="yes").response.text
    assert ">archive=my-os</textarea>" in form
    assert "https://login.example" in form
    asked = edit(admin, may_act="", external_audiences="")
    assert f"It may not act {at}, any more." in asked.text
    assert "It may not act for people from archive at my-os any more." in asked.text
    assert "All its tokens are revoked" in asked.text
    confirm(admin, asked)
    assert "Acts for people" not in admin.get(PAGE).text


def test_of_a_client_that_only_acts_for_people_it_is_said_which_of_their_rights(
    admin: Browser, deployment: Deployment
):
    deployment.client("agents", grant_types=[EXCHANGE])
    text = admin.get("/console/clients/agents").text
    assert "People use what they and the client both hold" in text
    assert "to allow it" not in text


def test_where_it_acts_for_people_is_wrong_at_its_line(admin: Browser):
    for typed, message in (
        ({"may_act": "my-os=my-os\nmy-os"}, "Line 2: must be FROM=TO"),
        ({"external_audiences": "[]"}, "Line 1: must be a JSON object"),
    ):
        page = edit(admin, **typed)
        assert page.status == httpx.codes.BAD_REQUEST
        assert message in page.text
    page = confirm(admin, edit(admin, may_act="nowhere=my-os"))
    assert page.status == httpx.codes.BAD_REQUEST
    assert "there is no audience" in page.text


def test_who_may_only_read_sees_no_button_and_changes_nothing(
    signed_in: SignedIn, deployment: Deployment
):
    operator = signed_in(READ)
    page = operator.get(PAGE)
    assert "<button" not in page.response.text.partition('class="screen"')[2]
    for do in (
        "assign-role",
        "save",
        "disable",
        "delete",
        "revoke-tokens",
        "create-secret",
        "start-rotation",
    ):
        refused = forged(deployment, operator, PAGE, do=do, confirmed="yes", typed="ci-bot")
        assert refused.status == httpx.codes.FORBIDDEN, do
    assert operator.get(PAGE, edit="yes").status == httpx.codes.FORBIDDEN


def test_events_are_only_shown_to_who_may_read_the_audit_log(signed_in: SignedIn):
    assert "Recent events" not in signed_in(READ).get(PAGE).text
    auditor = signed_in(READ, "issuer:audit:read", username="auditor")
    assert "created the client" in auditor.get(PAGE).text


def test_equal_events_are_one_line(
    admin: Browser, deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client("busy")
    for _ in range(3):
        token_endpoint.client_credentials(client)
    assert "busy got a token for my-os × 3" in admin.get("/console/clients/busy").text


def test_a_role_is_assigned_after_saying_what_it_gives(admin: Browser, deployment: Deployment):
    deployment.role("reader", ["agents:read", "sessions:read"])
    asked = send(admin, PAGE, do="assign-role", role="reader", audience="my-os")
    assert "ci-bot gains agents:read." in asked.text
    done = admin.follow(confirm(admin, asked))
    assert "The role reader is assigned to ci-bot, at my-os." in done.text
    assert "issuer client role assign ci-bot reader --audience my-os" in done.text
    assert events(deployment, "role.assigned")[-1].details == {
        "role": "reader",
        "audience": "my-os",
    }


def test_a_role_is_unassigned_after_saying_what_is_lost(admin: Browser, deployment: Deployment):
    asked = send(admin, PAGE, do="unassign-role", role="web-runner", everywhere="yes")
    assert "ci-bot loses agents:web:run." in asked.text
    assert not events(deployment, "role.unassigned")
    done = admin.follow(confirm(admin, asked))
    assert "agents:web:run" not in done.text
    assert events(deployment, "role.unassigned")[-1].target == "ci-bot"


def test_an_assignment_that_cannot_be_stands_at_its_field(admin: Browser):
    for typed, message in (
        ({"role": "no-role", "everywhere": "yes"}, "There is no role"),
        ({"role": "web-runner", "audience": "nowhere"}, "There is no audience"),
        ({"role": "web-runner"}, "name either one audience or everywhere"),
        ({"role": "web-runner", "audience": "my-os", "everywhere": "yes"}, "name either one"),
        ({"everywhere": "yes"}, "is required"),
    ):
        page = send(admin, PAGE, do="assign-role", **typed)
        assert page.status == httpx.codes.BAD_REQUEST
        assert message in page.text


def test_a_role_of_the_issuer_is_only_assigned_by_an_admin(
    signed_in: SignedIn, deployment: Deployment
):
    operator = signed_in(WRITE)
    deployment.role("key-reader", ["issuer:keys:read"])
    page = send(operator, PAGE, do="assign-role", role="key-reader", everywhere="yes")
    assert page.status == httpx.codes.FORBIDDEN
    again = send(
        operator, PAGE, do="assign-role", role="key-reader", everywhere="yes", confirmed="yes"
    )
    assert again.status == httpx.codes.FORBIDDEN


def test_a_client_with_rights_at_the_issuer_is_only_changed_by_an_admin(
    signed_in: SignedIn, deployment: Deployment
):
    deployment.client("auditing", scopes=["issuer:audit:read"])
    operator = signed_in(WRITE)
    page = operator.get("/console/clients/auditing")
    assert "only holders of issuer:admin may change" in page.text
    assert "Delete client" not in page.text
    for do in ("save", "disable", "delete", "create-secret", "start-rotation", "revoke-tokens"):
        refused = forged(deployment, operator, "/console/clients/auditing", do=do)
        assert refused.status == httpx.codes.FORBIDDEN, do


def test_a_name_is_changed_at_once(admin: Browser, deployment: Deployment):
    done = admin.follow(edit(admin, name="Build"))
    assert "The client ci-bot is changed." in done.text
    assert "issuer client update ci-bot --name Build" in done.text
    assert events(deployment, "client.updated")[-1].details["to"] == {"name": "Build"}


def test_a_change_of_rights_is_asked_first(admin: Browser, deployment: Deployment):
    deployment.audience("other-os")
    asked = edit(admin, scopes="memories:read", audiences="my-os\nother-os")
    assert "At my-os it gains memories:read and loses sessions:read." in asked.text
    assert "At other-os it gains agents:web:run, memories:read." in asked.text
    assert not events(deployment, "client.updated")
    done = admin.follow(confirm(admin, asked))
    assert "--scope memories:read --audience my-os --audience other-os" in done.text
    assert "memories:read See memories of users directly" in done.text


def test_what_cannot_be_saved_stands_at_its_field(admin: Browser, deployment: Deployment):
    for typed, message in (
        ({"access_token_ttl": "1s"}, "must be 60 to 86400 seconds"),
        ({"claims": "{"}, "is not JSON"),
        ({"claims": '{"sub": "me"}'}, "sub is set by the issuer"),
        ({"authorization_code": "yes"}, "must name one for the grant type authorization_code"),
        ({"redirect_uris": "https://a.example/cb\njavascript:alert(1)"}, "Line 2:"),
        ({"scopes": "a::b"}, "Line 1:"),
    ):
        page = edit(admin, name="Typed", **typed)
        assert page.status == httpx.codes.BAD_REQUEST
        assert message in page.text
        assert 'value="Typed"' in page.response.text
    assert not events(deployment, "client.updated")


def test_a_conflict_shows_both_versions_and_saves_nothing(admin: Browser, deployment: Deployment):
    form = admin.get(PAGE, edit="yes").form(PAGE).fields
    with deployment.changing() as work:
        work.clients.update("ci-bot", {"name": "Theirs", "scopes": []})
    kept = {"scopes": "sessions:read", "audiences": "my-os"}
    page = admin.post(PAGE, {**form, **kept, "name": "Mine", "do": "save"})
    assert page.status == httpx.codes.CONFLICT
    assert "Now: Theirs" in page.text
    assert 'value="Mine"' in page.response.text
    assert deployment.services.tokens.directory.load_client("ci-bot").name == "Theirs"
    version = page.form(PAGE).fields["version"]
    saved = edit(admin, name="Mine", scopes="", version=version)
    assert saved.status == httpx.codes.SEE_OTHER


def test_disabling_asks_and_ends_its_tokens(
    admin: Browser, deployment: Deployment, token_endpoint: TokenDriver
):
    asked = send(admin, PAGE, do="disable")
    assert "revoked tokens stay revoked" in asked.text
    done = admin.follow(confirm(admin, asked))
    assert "issuer client update ci-bot --disabled" in done.text
    assert "Enable client" in done.text
    assert events(deployment, "client.updated")[-1].details["to"] == {"disabled": True}
    admin.follow(send(admin, PAGE, do="enable"))
    assert events(deployment, "client.updated")[-1].details["to"] == {"disabled": False}


def test_tokens_are_revoked_after_asking(admin: Browser, deployment: Deployment):
    done = confirm(admin, send(admin, PAGE, do="revoke-tokens"))
    assert "All tokens of ci-bot are revoked." in admin.follow(done).text
    assert events(deployment, "client.tokens_revoked")[-1].target == "ci-bot"


def test_a_client_is_deleted_by_typing_its_id(admin: Browser, deployment: Deployment):
    asked = send(admin, PAGE, do="delete")
    wrong = confirm(admin, asked, typed="ci")
    assert wrong.status == httpx.codes.BAD_REQUEST
    assert "This is not ci-bot." in wrong.text
    done = admin.follow(confirm(admin, wrong, typed="ci-bot"))
    assert "ci-bot is deleted." in done.text
    assert events(deployment, "client.deleted")[-1].target == "ci-bot"
    assert admin.get(PAGE).status == httpx.codes.NOT_FOUND


def test_rights_at_the_issuer_are_said_in_words(admin: Browser, deployment: Deployment):
    text = admin.get(f"/console/clients/{deployment.admin.client_id}").text
    assert "issuer:admin Do everything at this issuer" in text


def test_a_client_whose_id_is_a_url_has_a_page(admin: Browser, deployment: Deployment):
    key = "https://app.example/client.json?x=1"
    deployment.client(key)
    listed = admin.get("/console/clients", search="https://").response.text
    link = "/console/clients/https%3A%2F%2Fapp.example%2Fclient.json%3Fx%3D1"
    assert link in listed
    page = admin.get(link)
    assert key in page.text
    assert page.form(link).fields["form"]
    done = send(admin, link, do="revoke-tokens", confirmed="yes")
    assert "All tokens of" in admin.follow(done).text


def test_stored_texts_are_shown_as_text(admin: Browser, deployment: Deployment):
    for text in ("<script>alert(1)</script>", "{{ 7*7 }}", "\"'><b>"):
        with deployment.changing() as work:
            work.clients.update("ci-bot", {"name": text, "claims": {"team": text}})
        for page in (admin.get(PAGE), admin.get(PAGE, edit="yes"), admin.get("/console/clients")):
            assert page.status == httpx.codes.OK
            assert "<script>" not in page.response.text
            assert "<b>" not in page.response.text
            assert text in page.text or text in page.form(PAGE).fields["name"]
