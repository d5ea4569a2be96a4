"""`/console/audiences`: the list, new audiences, and one of them; see test_rights_matrix.py."""

import httpx
import pytest

from issuer.roles import Assignment
from tests.builders import URL, Deployment
from tests.oauth.refreshing import events
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, forged, send

LIST = "/console/audiences"
PAGE = "/console/audiences/my-os"
READ, WRITE = "issuer:audiences:read", "issuer:audiences:write"


def create(browser: Browser, **typed: str) -> PageSeen:
    form = browser.get(LIST, new="yes").form(LIST).fields
    chosen = {name: value for name, value in form.items() if name != "include_roles"}
    return browser.post(LIST, {**chosen, "signing_alg": "ES256", **typed})


def edit(browser: Browser, path: str = PAGE, **typed: str) -> PageSeen:
    form = browser.get(path, edit="yes").form(path).fields
    kept = {name: value for name, value in form.items() if name != "include_roles"}
    return browser.post(path, {**kept, "signing_alg": "ES256", "do": "save", **typed})


def test_the_menu_has_audiences_second(admin: Browser):
    assert "Overview Audiences Clients" in admin.get(LIST).text


def test_an_audience_is_created_and_found(signed_in: SignedIn, deployment: Deployment):
    operator = signed_in("issuer:admin")
    done = create(
        operator,
        id="os-2",
        name="Second",
        access_token_ttl="10m",
        resources="https://os.example/mcp",
        include_roles="yes",
    )
    assert done.location == "/console/audiences/os-2"
    text = operator.get(done.location).text
    assert "The audience os-2 is created." in text
    assert "issuer audience create os-2 --name Second" in text
    assert "600 seconds" in text
    assert "listed in its tokens" in text
    assert "https://os.example/mcp" in text
    listed = operator.get(LIST).text
    assert "os-2 Second not inspected none not reported ES256 600 seconds" in listed
    assert "my-os" not in operator.get(LIST, search="SECOND").text
    assert "No audience has “zzz” in its id or name." in operator.get(LIST, search="zzz").text
    assert events(deployment, "audience.created")[-1].target == "os-2"


def test_errors_stand_at_their_field_with_what_was_typed(admin: Browser, deployment: Deployment):
    deployment.client("ci-bot")
    for typed, status, message in (
        ({"id": "my os"}, 400, "must be 1 to 255"),
        ({"id": "my-os"}, 409, "is taken"),
        ({"id": "ci-bot"}, 409, "is taken"),
        ({"access_token_ttl": "1s"}, 400, "must be 60 to 86400 seconds"),
        ({"access_token_ttl": "9" * 5000}, 400, "must be a number with a unit"),
        ({"resources": "https://a.example\nno-url"}, 400, "Line 2: must be a URL"),
        ({"resources": "my-os"}, 400, "must be a URL"),
        ({"signing_alg": "HS256"}, 400, ""),
    ):
        page = create(admin, **{"id": "new-os", "name": "Typed", **typed})
        assert page.status == status, typed
        assert message in page.text
        assert page.form(LIST).fields["name"] == "Typed"
    assert not [e for e in events(deployment, "audience.created") if e.target == "new-os"]


def test_one_audience_shows_how_an_agentos_follows_it(admin: Browser, deployment: Deployment):
    text = admin.get(PAGE).text
    assert 'Verifier("https://id.example", audience="my-os", algorithms=["ES256"])' in text
    assert 'AgentOS(id="my-os", agents=[...], **verifier.auth())' in text
    assert "issuer connect claude-code https://os.example/mcp" in text
    assert "issuer audience show my-os" in text
    assert "not listed in its tokens" in text
    edit(admin, resources="https://mine.example/mcp")
    assert "issuer connect claude-code https://mine.example/mcp" in admin.get(PAGE).text


def test_an_audience_that_is_a_url_is_one_segment_of_its_path(
    signed_in: SignedIn, deployment: Deployment, browser: Browser
):
    key, path = "https://os.example/a", "/console/audiences/https%3A%2F%2Fos.example%2Fa"
    admin = signed_in("issuer:admin")
    assert create(admin, id=key).location == path
    assert f'href="{path}"' in admin.get(LIST).response.text
    assert admin.follow(edit(admin, path, name="Renamed")).text.count("Renamed")
    back = browser.get(path).location
    assert back == "/sign-in?next=" + path.replace("%", "%25").replace("/", "%2F")
    asked = send(admin, path, do="delete")
    done = admin.submit(asked, path, typed=key)
    assert f"The audience {key} is deleted." in admin.get(done.location).text


def test_a_change_says_its_command(admin: Browser, deployment: Deployment):
    shown = admin.follow(edit(admin, name="Production", access_token_ttl="5m", include_roles="yes"))
    assert "The audience my-os is changed." in shown.text
    options = "--name Production --access-token-ttl 300s --include-roles"
    assert f"issuer audience update my-os {options}" in shown.text
    assert '"access_token_ttl": 300' in shown.text
    (event,) = events(deployment, "audience.updated")
    assert event.target == "my-os"
    what = "access_token_ttl, include_roles, name"
    assert f"changed {what} of the audience my-os" in shown.text


def test_a_change_of_what_changed_meanwhile_shows_both(admin: Browser, deployment: Deployment):
    form = admin.get(PAGE, edit="yes")
    with deployment.changing() as work:
        work.audiences.update("my-os", {"name": "Theirs", "include_roles": True})
    fields = {"name": "Mine", "signing_alg": "ES256", "do": "save"}
    kept = {k: v for k, v in form.form(PAGE).fields.items() if k != "include_roles"}
    refused = admin.post(PAGE, {**kept, **fields})
    assert refused.status == httpx.codes.CONFLICT
    assert "Somebody changed the audience meanwhile" in refused.text
    assert "Now: Theirs" in refused.text
    assert "Now: yes" in refused.text
    assert refused.form(PAGE).fields["name"] == "Mine"
    again = {**refused.form(PAGE).fields, **fields}
    assert "Mine" in admin.follow(admin.post(PAGE, again)).text


def test_an_unused_audience_is_deleted_once_its_id_is_typed(admin: Browser, deployment: Deployment):
    asked = send(admin, PAGE, do="delete")
    assert "Every token for it is revoked" in asked.text
    assert "No client may ask for its tokens, and no role is assigned at it." in asked.text
    wrong = admin.submit(asked, PAGE, typed="other")
    assert wrong.status == httpx.codes.BAD_REQUEST
    done = admin.submit(wrong, PAGE, typed="my-os")
    assert done.location == LIST
    assert "issuer audience delete my-os" in admin.get(done.location).text
    assert admin.get(PAGE).status == httpx.codes.NOT_FOUND


def test_deleting_an_audience_in_use_says_first_what_ends(admin: Browser, deployment: Deployment):
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot")
    user_id = deployment.user("alice")
    with deployment.changing() as work:
        work.assignments.assign(user_id, Assignment(role="runner", audience="my-os"))
    asked = send(admin, PAGE, do="delete")
    assert "1 client (ci-bot) gets no more tokens for it." in asked.text
    assert "1 client, user or group loses the roles assigned at it." in asked.text
    done = admin.submit(asked, PAGE, typed="my-os")
    assert "issuer audience delete my-os --cascade" in admin.get(done.location).text
    released = events(deployment, "audience.deleted")[-1].details["released"]
    assert released == ["client ci-bot", f"an assignment of {user_id.lower()}"]


def test_what_came_to_use_it_meanwhile_is_asked_about_again(admin: Browser, deployment: Deployment):
    asked = send(admin, PAGE, do="delete")
    deployment.client("ci-bot")
    again = admin.submit(asked, PAGE, typed="my-os")
    assert "1 client (ci-bot) gets no more tokens for it." in again.text
    assert admin.get(PAGE).status == httpx.codes.OK


def test_who_may_only_read_sees_no_button_and_changes_nothing(
    signed_in: SignedIn, deployment: Deployment
):
    operator = signed_in(READ)
    assert "New audience" not in operator.get(LIST).text
    assert "Edit" not in operator.get(PAGE).text
    for path in (LIST, PAGE):
        for query in ({"new": "yes"}, {"edit": "yes"}):
            page = operator.get(path, **query)
            assert page.status == httpx.codes.FORBIDDEN or "<button" not in page.text
    assert forged(deployment, operator, LIST, id="mine").status == httpx.codes.FORBIDDEN
    for do in ("save", "delete"):
        fields = {"version": "1", "typed": "my-os", "confirmed": "yes", "name": "Mine"}
        assert forged(deployment, operator, PAGE, do=do, **fields).status == httpx.codes.FORBIDDEN
    assert not events(deployment, "audience.updated")


def test_the_own_audience_is_changed_by_admins_and_never_deleted(
    signed_in: SignedIn, admin: Browser, deployment: Deployment
):
    path = "/console/audiences/https%3A%2F%2Fid.example"
    operator = signed_in(WRITE)
    assert "Edit" not in operator.get(path).text
    refused = forged(deployment, operator, path, do="save", version="1")
    assert refused.status == httpx.codes.FORBIDDEN
    assert "Delete audience" not in admin.get(path).text
    assert "Connect" not in admin.get(path).text
    fields = {"do": "delete", "confirmed": "yes", "typed": URL, "cascade": "yes"}
    assert forged(deployment, admin, path, **fields).status == httpx.codes.CONFLICT


def test_an_audience_is_not_shown_without_the_scope(signed_in: SignedIn):
    operator = signed_in("issuer:clients:read", "issuer:users:read")
    for path in (LIST, PAGE):
        assert operator.get(path).status == httpx.codes.FORBIDDEN


@pytest.mark.parametrize("path", ["/console/clients/ci-bot", "/console/roles/runner"])
def test_other_screens_link_to_it(admin: Browser, deployment: Deployment, path: str):
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot")
    with deployment.changing() as work:
        work.assignments.assign("ci-bot", Assignment(role="runner", audience="my-os"))
    assert 'href="/console/audiences/my-os"' in admin.get(path).response.text


def test_stored_texts_are_shown_as_text(admin: Browser, deployment: Deployment):
    for text in ("<script>alert(1)</script>", "{{ 7*7 }}", "\"'><b>"):
        with deployment.changing() as work:
            work.audiences.update("my-os", {"name": text})
        for page in (admin.get(PAGE), admin.get(PAGE, edit="yes"), admin.get(LIST)):
            assert page.status == httpx.codes.OK
            assert "<script>" not in page.response.text
            assert "<b>" not in page.response.text
