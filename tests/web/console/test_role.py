"""`/console/roles/{name}`: what a role allows, who has it, and changing it knowingly."""

import csv
import io
import json

import httpx
import pytest

from issuer.roles import Assignment
from issuer.web.console import roles
from tests.builders import Deployment
from tests.oauth.refreshing import events
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, forged

PATH = "/console/roles/runner"


def change(browser: Browser, scopes: str, **more: str) -> PageSeen:
    """The page that says what the change would mean."""
    form = browser.get(PATH, edit="yes")
    return browser.submit(form, PATH, do="review", scopes=scopes, **more)


def scopes_of(deployment: Deployment, name: str = "runner") -> list[str]:
    with deployment.changing() as work:
        return work.roles.get(name).scopes


def test_a_role_shows_what_it_allows_and_who_has_it(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:web:run", "sesions:read"])
    deployment.client("ci-bot", ["runner"])
    user_id = deployment.user("alice")
    with deployment.changing() as work:
        work.assignments.assign(user_id, Assignment(role="runner", audience="my-os"))
    page = admin.get(PATH)
    assert "Run the agent web" in page.text
    assert "did you mean sessions:read?" in page.text
    assert "Who has it 2" in page.text
    assert "ci-bot client ci-bot everywhere" in page.text
    assert f"alice user {user_id} my-os" in page.text
    assert "issuer role show runner" in page.text


def test_the_list_and_its_file_say_how_many_hold_each_role(
    deployment: Deployment, admin: Browser, monkeypatch: pytest.MonkeyPatch
):
    for name in ("runner", "unused", "writer"):
        deployment.role(name, [])
    deployment.client("ci-bot", ["runner", "writer"])
    for name in ("alice", "bob"):
        deployment.user(name, ["runner"])
    with deployment.changing() as work:
        work.assignments.assign("ci-bot", Assignment(role="runner", audience="my-os"))
    rows = csv.DictReader(io.StringIO(admin.get("/console/roles", export="csv").response.text))
    assert {each["name"]: each["held_by"] for each in rows} == {
        **{"admin-role": "1", "runner": "3"},
        **{"unused": "0", "writer": "1"},
    }
    lines = admin.get("/console/roles", export="jsonl", search="runner").response.text.splitlines()
    assert [json.loads(line)["held_by"] for line in lines] == [3]
    assert "runner none 3" in admin.get("/console/roles").text
    monkeypatch.setattr(roles, "MOST_COUNTED", 2)
    lines = admin.get("/console/roles", export="jsonl", search="runner").response.text.splitlines()
    assert [json.loads(line)["held_by"] for line in lines] == [2]


def test_who_has_a_role_is_shown_in_pages(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:run"])
    for number in range(51):
        deployment.client(f"bot-{number:02}", ["runner"])
    page = admin.get(PATH)
    assert "bot-49" in page.text
    assert "bot-50" not in page.text
    assert "bot-50" in admin.get(PATH, after="bot-49").text


def test_principals_are_shown_to_those_who_may_read_them(
    deployment: Deployment, signed_in: SignedIn
):
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot", ["runner"])
    deployment.user("alice", ["runner"])
    page = signed_in("issuer:roles:write", "issuer:clients:read").get(PATH)
    assert "ci-bot" in page.text
    assert "alice" not in page.text
    assert "Its users and groups are not shown: that needs issuer:users:read" in page.text


def test_a_change_says_first_who_gains_and_loses_what(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:run", "teams:run"])
    deployment.client("ci-bot", ["runner"], scopes=["agents:run"])
    deployment.user("alice", ["runner"])
    page = change(admin, "teams:run", add="agents:web:read")
    assert "ci-bot client my-os agents:web:read –" in page.text
    assert "alice user every AgentOS agents:web:read agents:run" in page.text
    assert scopes_of(deployment) == ["agents:run", "teams:run"]
    done = admin.submit(page, PATH, do="apply")
    shown = admin.get(done.location).text
    assert "The role runner is changed." in shown
    assert "role update runner --add-scope agents:web:read --remove-scope agents:run" in shown
    assert scopes_of(deployment) == ["teams:run", "agents:web:read"]
    (event,) = events(deployment, "role.updated")
    assert event.target == "runner"


def test_a_change_for_many_shows_the_first_fifty(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:run"])
    for number in range(52):
        deployment.client(f"bot-{number:02}", ["runner"])
    page = change(admin, "agents:run teams:run")
    assert "bot-49" in page.text
    assert "bot-50" not in page.text
    assert "and 2 more have it." in page.text


def test_a_change_of_what_changed_meanwhile_shows_both(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:run"])
    review = change(admin, "agents:run teams:run")
    with deployment.changing() as work:
        work.roles.update("runner", {"scopes": ["workflows:run"], "description": "Nightly"})
    refused = admin.submit(review, PATH, do="apply")
    assert refused.status == httpx.codes.CONFLICT
    assert "Somebody changed the role meanwhile" in refused.text
    for text in ("teams:run", "workflows:run", "Now: Nightly"):
        assert text in refused.text
    assert scopes_of(deployment) == ["workflows:run"]
    again = admin.submit(refused, PATH, do="review", scopes="teams:run")
    admin.submit(again, PATH, do="apply")
    assert scopes_of(deployment) == ["teams:run"]


def test_a_wrong_scope_is_refused_at_its_field(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:run"])
    page = change(admin, "agents:run\na:b:c:d", description="Typed")
    assert page.status == httpx.codes.BAD_REQUEST
    assert "Line 2: must be resource:action" in page.text
    assert page.form(PATH).fields["description"] == "Typed"


def test_a_role_in_use_is_deleted_once_its_name_is_typed(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot", ["runner"])
    question = admin.submit(admin.get(PATH), PATH, do="delete")
    assert "assigned to client ci-bot." in question.text
    refused = admin.submit(question, PATH, typed="other")
    assert refused.status == httpx.codes.BAD_REQUEST
    done = admin.submit(refused, PATH, typed="runner")
    assert "issuer role delete runner --cascade" in admin.get(done.location).text
    assert admin.get(PATH).status == httpx.codes.NOT_FOUND
    assert events(deployment, "role.deleted")[0].details["unassigned_from"] == ["ci-bot"]


def test_who_may_only_read_cannot_change_or_delete(deployment: Deployment, signed_in: SignedIn):
    deployment.role("runner", ["agents:run"])
    browser = signed_in("issuer:roles:read")
    assert "Edit" not in browser.get(PATH).text
    assert browser.get(PATH, edit="yes").status == httpx.codes.FORBIDDEN
    for do in ("review", "apply", "delete"):
        refused = forged(deployment, browser, PATH, do=do, version="1", confirmed="yes")
        assert refused.status == httpx.codes.FORBIDDEN
    assert scopes_of(deployment) == ["agents:run"]


def test_rights_at_the_issuer_are_given_by_admins_only(deployment: Deployment, signed_in: SignedIn):
    deployment.role("runner", ["agents:run"])
    deployment.role("boss", ["issuer:admin"])
    browser = signed_in("issuer:roles:write")
    refused = change(browser, "agents:run issuer:users:write")
    assert refused.status == httpx.codes.FORBIDDEN
    fields = {"do": "apply", "version": "1", "scopes": "issuer:admin"}
    assert forged(deployment, browser, PATH, **fields).status == httpx.codes.FORBIDDEN
    assert "Edit" not in browser.get("/console/roles/boss").text
    assert scopes_of(deployment) == ["agents:run"]


def test_a_new_role_is_made_once_its_warnings_were_seen(deployment: Deployment, admin: Browser):
    path = "/console/roles"
    warned = admin.submit(
        admin.get(path, new="yes"), path, name="odd", scopes="orders:read", add="agents:x"
    )
    assert "No known AgentOS version has orders:read" in warned.text
    assert "orders:read agents:x" in warned.text
    admin.submit(warned, path, do="force", scopes="orders:read\nagents:x")
    assert scopes_of(deployment, "odd") == ["orders:read", "agents:x"]


def test_misspelled_scopes_of_a_role_need_a_tick(deployment: Deployment, admin: Browser):
    path, tick = "/console/roles", {"allow_unknown_scopes": "yes"}
    assert "Allow unknown scopes" not in admin.get(path, new="yes").text
    refused = admin.submit(
        admin.get(path, new="yes"), path, name="runner", scopes="agnets:run", do="force"
    )
    assert refused.status == httpx.codes.BAD_REQUEST
    assert "did you mean agents:run?" in refused.text
    admin.submit(refused, path, name="runner", scopes="agnets:run", do="force", **tick)
    assert scopes_of(deployment) == ["agnets:run"]
    refused = change(admin, "agnets:run sesions:read")
    assert refused.status == httpx.codes.BAD_REQUEST
    assert "did you mean sessions:read?" in refused.text
    review = change(admin, "agnets:run sesions:read", **tick)
    admin.submit(review, PATH, do="apply")
    assert scopes_of(deployment) == ["agnets:run", "sesions:read"]
