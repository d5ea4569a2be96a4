"""docs/how-to/sign-in-from-a-web-application.md: its commands, and the application, work."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.testclient import TestClient

from tests.builders import PASSWORD
from tests.cli.driver import Cli
from tests.existing_data import use
from tests.how_tos import changing_only
from tests.journeys.running_issuer import REPOSITORY, RunningIssuer
from tests.web.browsing import Browser

NAME = "sign-in-from-a-web-application.md"
PAGE = (REPOSITORY / "docs" / "how-to" / NAME).read_text()
EXAMPLE = REPOSITORY / "examples" / "web_application.py"
TO_RUN_IT, _, AFTERWARDS = PAGE.partition("\n## What may go wrong")
APPLICATION = "http://127.0.0.1:8000"


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path) as issuer:
        use(issuer.deployment)
        yield issuer


@pytest.fixture
def said(issuer: RunningIssuer) -> dict[str, str]:
    """The answers of the commands that lead to the application, in order."""
    with changing_only(issuer.deployment, NAME):
        return answers(issuer, TO_RUN_IT)


def answers(issuer: RunningIssuer, page: str) -> dict[str, str]:
    cli = Cli(issuer.environment)
    commands = re.findall(r"^\$ issuer (.+)$", page, re.MULTILINE)
    return {line: cli.done(*shlex.split(line)) for line in commands}


def test_the_application_signs_a_user_in_and_gets_a_token_for_its_agentos(
    issuer: RunningIssuer, said: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    secret = re.search(r"client_secret: (\S+)", "".join(said.values()))
    link = re.search(r"https?://\S+/invitation/\S+", "".join(said.values()))
    assert secret
    assert link
    monkeypatch.setenv("ISSUER_URL", issuer.url)
    monkeypatch.setenv("CLIENT_SECRET", secret[1])
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    example = loaded()
    browser = Browser(issuer.http, issuer.url)
    path = link[0].removeprefix(issuer.url)
    browser.submit(browser.get(path), path, new_password=PASSWORD, repeated=PASSWORD)
    with TestClient(example.app, base_url=APPLICATION, follow_redirects=False) as application:
        asked = application.get("/sign-in").headers["location"]
        browser.cookies |= dict(application.cookies)  # one jar: ports do not separate cookies
        consent = browser.follow(browser.get(asked.removeprefix(issuer.url)))
        assert "Reports wants to act for you" in consent.text
        returned = browser.submit(consent, "/consent", decision="allow").location
        assert returned.startswith(f"{APPLICATION}/callback?")
        application.cookies.clear()
        application.cookies.update(browser.cookies)
        assert application.get(returned).headers["location"] == "/"
        assert "You are signed in" in application.get("/").text
    (token,) = example.access_tokens.values()
    answer = issuer.http.get("/oauth2/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == httpx.codes.OK


def test_the_commands_for_later_change_its_client(issuer: RunningIssuer, said: dict[str, str]):
    answers(issuer, AFTERWARDS)
    with issuer.deployment.changing() as work:
        client = work.clients.get("reports")
    assert client.require_pushed_authorization_requests
    assert not client.require_pkce
    assert client.backchannel_logout_uri


def test_the_application_says_why_it_was_refused(
    issuer: RunningIssuer, said: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ISSUER_URL", issuer.url)
    monkeypatch.setenv("CLIENT_SECRET", "wrong")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    example = loaded()
    with TestClient(example.app, base_url=APPLICATION, follow_redirects=False) as application:
        asked = application.get("/sign-in").headers["location"]
        state = parse_qs(urlsplit(asked).query)["state"][0]
        answer = application.get(f"/callback?error=access_denied&state={state}")
    assert answer.json()["error"] == "access_denied"


def test_the_page_shows_the_settings_of_the_application():
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert block in EXAMPLE.read_text()


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("web_application", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
