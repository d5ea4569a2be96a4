"""An address that nothing has: a page for browsers, JSON for programs."""

from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from issuer.composition import compose
from issuer.server.app import create_app
from tests.builders import Deployment, FakeClock, initialised, settings_for

BROWSERS = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
WRONG = {
    "/nothing": "/",
    "/accounts": "/",
    "/oauth2/nothing": "/",
    "/.well-known/nothing": "/",
    "/console/nothing": "/console",
    "/console/": "/console",
    "/nothing/<script>": "/",
    "//evil.example/console": "/",
}


@pytest.mark.parametrize("path", WRONG)
def test_a_browser_gets_a_page_with_a_way_back(deployment: Deployment, path: str):
    url = f"https://id.example{path}"
    answer = deployment.http.get(url, headers={"Accept": BROWSERS}, follow_redirects=False)
    assert answer.status_code == httpx.codes.NOT_FOUND
    assert answer.headers["content-type"].startswith("text/html")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "There is no page here" in answer.text
    assert f'class="button full" href="{WRONG[path]}"' in answer.text
    assert "<script" not in answer.text
    assert "evil" not in answer.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
@pytest.mark.parametrize("path", WRONG)
def test_a_program_gets_json(deployment: Deployment, path: str, accept: str):
    url = f"https://id.example{path}"
    answer = deployment.http.get(url, headers={"Accept": accept}, follow_redirects=False)
    assert answer.status_code == httpx.codes.NOT_FOUND
    assert answer.json()["title"] == "Not found"


def test_the_admin_api_answers_in_json_alone(deployment: Deployment):
    answer = deployment.http.get("/admin/v1/nothing", headers={"Accept": BROWSERS})
    assert answer.json()["status"] == httpx.codes.NOT_FOUND


def test_the_way_back_is_below_the_path_of_the_issuer(tmp_path: Path, clock: FakeClock):
    settings = settings_for(tmp_path, url="https://id.example/issuer")
    initialised(settings, clock)
    app = create_app(compose(settings, clock))
    with TestClient(app, base_url="https://id.example") as http:
        for path, back in (("/issuer/console/nothing", "/issuer/console"), ("/", "/issuer/")):
            answer = http.get(path, headers={"Accept": BROWSERS}, follow_redirects=False)
            assert f'class="button full" href="{back}"' in answer.text
