"""`/console/explain`: why a request is allowed or refused, and what would allow it."""

from urllib.parse import urlencode

import httpx

from issuer.roles import Assignment
from tests.builders import URL, Deployment
from tests.drivers import TokenDriver
from tests.inspection.inspected import inspected
from tests.oauth.exchanging import EXCHANGE
from tests.oauth.refreshing import events
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn

PATH = "/console/explain"
RUN = {"audience": "my-os", "method": "POST", "path": "/agents/web/runs"}


def explained(browser: Browser, subject: str, **asked: str) -> PageSeen:
    """The answer, by default about running the agent web."""
    query = asked if {"id", "scope"} & asked.keys() else {**RUN, **asked}
    return browser.get(f"{PATH}?{urlencode({'audience': 'my-os', **query, 'subject': subject})}")


def test_an_agent_is_chosen_by_name(deployment: Deployment, admin: Browser):
    deployment.client("ci-bot", scopes=["agents:web:run"])
    inspected(deployment, agents={"web": "Web search", "mail": "Mail"})
    asked = {"subject": "ci-bot", "component": "agents:mail", "verb": "run", "by": "component"}
    request = {"path": "/agents/web/runs", "method": "POST"}
    page = admin.get(f"{PATH}?{urlencode({**asked, **request})}")
    assert "Refused : POST /agents/mail/runs at my-os" in page.text
    assert '<option value="agents:mail" selected>Mail</option>' in page.response.text
    page = admin.get(f"{PATH}?{urlencode({**asked, **request, 'by': 'path'})}")
    assert "Allowed : POST /agents/web/runs at my-os" in page.text
    assert 'value="agents:mail" selected' not in page.response.text
    page = admin.get(PATH, subject="ci-bot", family="agents", id="web", verb="run")
    assert '<option value="agents:web" selected>Web search</option>' in page.response.text


def test_an_allowed_request_says_through_which_role(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:web:run"])
    user_id = deployment.user("alice", ["runner"])
    page = explained(admin, "alice")
    assert "Allowed : POST /agents/web/runs at my-os" in page.text
    assert f"runner gives {user_id} agents:web:run everywhere" in page.text
    assert "This assumes a client that gives its users all their rights." in page.text
    assert f"issuer explain {user_id} POST /agents/web/runs --audience my-os" in page.text


def test_why_a_call_was_refused_is_found_and_fixed(deployment: Deployment, admin: Browser):
    deployment.role("reader", ["agents:web:read"])
    deployment.client("ci-bot", ["reader"])
    page = explained(admin, "ci-bot")
    assert "Refused : POST /agents/web/runs at my-os" in page.text
    assert "The smallest addition: agents:web:run" in page.text
    assert "issuer role update reader --add-scope agents:web:run" in page.text
    assert "issuer client update ci-bot --add-scope agents:web:run" in page.text
    link = "/console/roles/reader?edit=yes&amp;add=agents%3Aweb%3Arun"
    assert f'href="{link}"' in page.response.text
    role = "/console/roles/reader"
    form = admin.get(link.replace("&amp;", "&"))
    review = admin.submit(form, role, do="review", scopes="agents:web:read")
    admin.submit(review, role, do="apply")
    assert "Allowed" in explained(admin, "ci-bot").text


def test_a_refused_event_leads_to_the_question(
    deployment: Deployment, admin: Browser, token_endpoint: TokenDriver
):
    client = deployment.client("ci-bot")
    token_endpoint.client_credentials(client, scope="agents:run")
    (event,) = events(deployment, "token.refused")
    page = admin.get(f"/console/audit/{event.id}")
    assert 'href="/console/explain?subject=ci-bot"' in page.response.text
    form = admin.get(f"{PATH}?subject=ci-bot")
    assert form.status == httpx.codes.OK
    assert form.form(PATH).fields["subject"] == "ci-bot"


def test_a_role_that_gives_no_more_than_needed_is_suggested(deployment: Deployment, admin: Browser):
    deployment.role("all", ["agents:run", "teams:run"])
    deployment.role("runner", ["agents:run"])
    user_id = deployment.user("alice")
    page = explained(admin, user_id)
    assert "Assign alice the role runner at my-os." in page.text
    assert f"issuer user role assign {user_id} runner --audience my-os" in page.text
    with deployment.changing() as work:
        work.assignments.assign(user_id, Assignment(role="runner", audience="my-os"))
    assert "Allowed" in explained(admin, user_id).text


def test_a_user_through_a_client_needs_both(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:run"])
    deployment.user("alice", ["runner"])
    deployment.client("app", scopes=["agents:read"])
    page = explained(admin, "alice", through="app")
    assert "Refused" in page.text
    assert "Give agents:web:run to the client app itself." in page.text
    assert "Assign alice" not in page.text


def test_a_disabled_subject_is_enabled_rather_than_given_more(
    deployment: Deployment, admin: Browser
):
    deployment.client("ci-bot", scopes=["agents:run"], disabled=True)
    page = explained(admin, "ci-bot")
    assert "The client is disabled and gets no token." in page.text
    assert "issuer client update ci-bot --enabled" in page.text


def test_a_verb_or_a_scope_becomes_a_request(deployment: Deployment, admin: Browser):
    deployment.client("ci-bot", scopes=["agent_os:admin"])
    for asked, request in (
        ({"family": "teams", "id": "night shift", "verb": "run"}, "POST /teams/night%20shift/runs"),
        ({"family": "agents", "id": "*", "verb": "read"}, "GET /agents/*"),
        ({"scope": "workflows:nightly:run"}, "POST /workflows/nightly/runs"),
        ({"scope": "sessions:delete"}, "DELETE /sessions"),
    ):
        assert f"Allowed : {request} at my-os" in explained(admin, "ci-bot", **asked).text


def test_the_admin_api_is_explained_as_well(deployment: Deployment, admin: Browser):
    page = explained(admin, "admin", audience=URL, path="/admin/v1/roles")
    assert "Allowed" in page.text
    assert "issuer:roles:write" in page.text


def test_an_error_stands_at_its_field(deployment: Deployment, admin: Browser):
    deployment.client("ci-bot")
    for subject, asked, error in (
        ("nobody", {}, "There is no client or user nobody."),
        ("ci-bot", {"audience": "other-os"}, "the client may not have tokens for it"),
        ("ci-bot", {"method": "P O"}, "String should match pattern"),
        ("ci-bot", {"path": ""}, "Name a path, or an agent, team or workflow."),
        ("ci-bot", {"version": "1.0"}, "is not a known version"),
        ("ci-bot", {"scope": "reports"}, "No request is known that requires reports."),
        ("admin", {"through": "nobody"}, "There is no client 'nobody'."),
        ("admin", {"audience": "nowhere"}, "There is no audience 'nowhere'."),
        ("admin", {"audience": ""}, "name the audience"),
        ("\ud7ff" * 300, {}, "There is no client or user"),
    ):
        page = explained(admin, subject, **asked)
        assert page.status == httpx.codes.BAD_REQUEST
        assert error in page.text
        assert page.form(PATH).fields["subject"] == subject


def test_a_client_without_the_audience_is_allowed_it(deployment: Deployment, admin: Browser):
    deployment.audience("other-os")
    deployment.client("ci-bot")
    page = explained(admin, "ci-bot", audience="other-os")
    assert "issuer client update ci-bot --add-audience other-os" in page.text


def test_who_may_not_read_a_subject_is_told_nothing_of_it(
    deployment: Deployment, signed_in: SignedIn
):
    deployment.client("ci-bot")
    deployment.user("alice")
    of_clients = signed_in("issuer:clients:read")
    assert "Refused" in explained(of_clients, "ci-bot").text
    for name in ("alice", "nobody-here"):
        assert f"There is no client {name}." in explained(of_clients, name).text
    through = explained(of_clients, "alice", through="ci-bot")
    assert through.status == httpx.codes.FORBIDDEN
    neither = signed_in("issuer:keys:read", username="other")
    page = explained(neither, "ci-bot")
    assert "needs issuer:clients:read or issuer:users:read" in page.text
    assert "Refused" not in page.text


def test_no_role_for_an_admin_is_suggested(deployment: Deployment, admin: Browser):
    deployment.role("admins", ["agent_os:admin"])
    user_id = deployment.user("alice")
    page = explained(admin, user_id)
    assert "the role admins" not in page.text
    assert "Make a role with agents:web:run" in page.text


def test_what_a_client_may_do_on_behalf_of_a_user(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:run"])
    user_id = deployment.user("alice", ["runner"])
    deployment.audience("archive")
    deployment.client("agents", audiences=["archive"], scopes=["agents:web:run"])
    asked = {**RUN, "audience": "archive", "behalf": "alice", "origin": "my-os"}
    page = explained(admin, "agents", **asked)
    assert "agents may not act at archive for people from my-os" in page.text
    assert "Let agents act at archive for people from my-os." in page.text
    command = f"--audience archive --on-behalf-of {user_id} --from my-os"
    assert command in page.text
    with deployment.changing() as work:
        rule = [{"from": "my-os", "to": "archive"}]
        work.clients.update("agents", {"may_act": rule})
    page = explained(admin, "agents", **asked)
    assert "agents does not have the grant type token-exchange" in page.text
    assert f"issuer client update agents --add-grant-type {EXCHANGE}" in page.text
    with deployment.changing() as work:
        work.clients.update("agents", {"grant_types": [EXCHANGE]})
    page = explained(admin, "agents", **asked)
    assert "Allowed : POST /agents/web/runs at archive" in page.text
    assert f"On behalf of {user_id} , with a token for my-os" in page.text
    assert "Name the client through which the person signs in as well" in page.text


def test_a_question_on_behalf_of_a_user_has_errors_at_its_fields(
    deployment: Deployment, admin: Browser
):
    deployment.client("agents")
    for asked, message in (
        ({"behalf": "nobody", "origin": "my-os"}, "There is no user nobody."),
        ({"behalf": "nobody"}, "Name the audience of the token"),
    ):
        assert message in explained(admin, "agents", **RUN, **asked).text
    assert "There is no client nothing" in (
        explained(admin, "nothing", **RUN, behalf="x", origin="my-os").text
    )


def test_a_question_on_behalf_of_a_user_needs_the_right_to_read_users(
    signed_in: SignedIn, deployment: Deployment
):
    deployment.client("agents")
    deployment.user("alice")
    page = explained(
        signed_in("issuer:clients:read", username="reader"),
        "agents",
        **RUN,
        behalf="alice",
        origin="my-os",
    )
    assert page.status == httpx.codes.FORBIDDEN
