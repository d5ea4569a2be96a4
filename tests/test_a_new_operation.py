"""What a new operation takes: its declaration, and a button where a page shows the item.

Its row of the reference and the sentence of its audit event are written by hand.
"""

import json
from types import SimpleNamespace

import pytest
import typer
from fastapi import FastAPI
from starlette.testclient import TestClient

from issuer.admin.operations import operations_router
from issuer.admin.refusals import install_problem_handlers
from issuer.background.turns import Turns
from issuer.cli.command import new_app
from issuer.cli.opening import find_user
from issuer.cli.operations import OperationCommands
from issuer.cli.options import UserName
from issuer.composition import composed
from issuer.operations import Operation, OperationQuestion
from issuer.sign_in.operations import SESSIONS, SignInWork
from issuer.web.account import ENDING, account_form
from issuer.web.console.screens.operations import actions_of
from issuer.web.console.users.user import OneUserScreen
from tests.builders import URL, Deployment
from tests.conftest import Initialized
from tests.drivers import AdminApi, TokenDriver, problem
from tests.sign_in.authorizing import BROWSER, Person, sign_in
from tests.web.browsing import Browser
from tests.web.console.conftest import person, send

FORGET = Operation[SignInWork](
    name="forget_session",
    on=SESSIONS,
    verb="forget",
    past="forgotten",
    summary="Forget a browser.",
    question=lambda _, about: OperationQuestion(f"Forget {about.item}?", "It ends.", "Forget"),
    run=lambda work, user_id, session_id: work.sessions.end(user_id, session_id),
    done="{item} of {name} is forgotten.",
    by_the_person=True,
)


@pytest.fixture
def admin(deployment: Deployment, token_endpoint: TokenDriver) -> AdminApi:
    """The admin API of an issuer that has the operation."""
    app = FastAPI()
    app.state.admin = SimpleNamespace(
        administration=deployment.services.administration, turns=Turns(lambda: False)
    )
    app.include_router(operations_router((FORGET,)), prefix="/admin/v1")
    install_problem_handlers(app, lambda _: None)
    token = token_endpoint.client_credentials(deployment.admin).token
    return AdminApi(TestClient(app, base_url=URL), token)


def test_the_admin_api_has_its_route(admin: AdminApi, alice: Person):
    path = f"/users/{alice.user_id}/sessions/{alice.session.id}"
    document = admin.http.get("/openapi.json").json()
    described = document["paths"]["/admin/v1/users/{id}/sessions/{session_id}"]["delete"]
    assert (described["operationId"], described["description"]) == (FORGET.name, FORGET.summary)
    assert problem(admin.delete(path, headers={"If-Match": '"x"'})) == (412, "precondition-failed")
    assert admin.delete(path).status_code == 204
    assert problem(admin.delete(path)) == (404, "not-found")


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_command_line_has_its_command(
    alice: Person,
    opened: Initialized,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("ISSUER_URL", URL)
    monkeypatch.setenv("ISSUER_DATA_DIR", str(opened.settings.data_dir))
    monkeypatch.setenv("ISSUER_DATABASE_URL", opened.settings.effective_database_url)
    app = new_app()
    OperationCommands(app, UserName, find_user, "alice").part(SESSIONS, (FORGET,))
    with composed(opened.settings) as parts:
        user = parts.tokens.directory.load_user(alice.user_id)
        assert user is not None
        session, _ = parts.people.sessions.begin(user, ("pwd",), BROWSER, "Firefox/1")
    words = ["session", "forget", alice.user_id, session.id]
    typer.main.get_command(app)([*words, "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out) == {"forgotten": session.id}
    assert FORGET.command("alice", "id").words == ("user", *words[:2], "alice", "id")


def test_the_console_asks_and_names_command_and_request(
    deployment: Deployment, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    for do, action in actions_of((FORGET,)).items():
        monkeypatch.setitem(OneUserScreen.ACTIONS, do, action)  # type: ignore[arg-type]
    browser, page = person(deployment, "boss", ["issuer:admin"]), f"/console/users/{alice.user_id}"
    asked = send(browser, page, do=FORGET.action, session_id=alice.session.id)
    assert f"Forget {alice.session.id}? It ends." in asked.text
    assert f"issuer user session forget {alice.user_id} {alice.session.id}" in asked.text
    assert f"curl -X DELETE {URL}/admin/v1{page.removeprefix('/console')}/sessions" in asked.text
    done = browser.follow(browser.submit(asked, page))
    assert f"{alice.session.id} of alice is forgotten." in done.text


def test_the_account_page_takes_its_form(
    deployment: Deployment, alice: Person, monkeypatch: pytest.MonkeyPatch
):
    """In place of what its list ends otherwise: the page has one button for each item."""
    (endpoint,) = (each for each in ENDING if each.PATH == account_form(FORGET).PATH)
    monkeypatch.setattr(endpoint, "OPERATION", FORGET)
    second = sign_in(deployment, alice.user_id)
    browser = Browser(deployment.http)
    browser.get("/sign-in")
    browser.cookies["__Host-session"] = alice.cookie
    page = browser.get("/account")
    browser.submit(page, endpoint.PATH, session_id=second.session.id)
    with deployment.services.administration.reading() as work:
        assert [each.id for each in work.sessions.of_user(alice.user_id)] == [alice.session.id]
