"""The `curl` lines of the console work as they are, pasted into a shell."""

import re
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from tests.journeys.running_issuer import RunningIssuer, process_environment
from tests.web.browsing import Browser, PageSeen
from tests.web.console.screens import SCREENS, furnished

MORE_URLS = (
    "/console/users/wanda?through=pipeline&at=my-os",
    "/console/explain?subject=pipeline&method=POST&path=/agents/web/runs",
)
LEAST_REQUESTS = 15


@pytest.mark.slow
def test_every_request_that_a_screen_prints_is_answered(
    issuer: RunningIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "issuer.yaml").write_text("roles: []\n")
    deployment = issuer.deployment
    furnished(deployment)
    deployment.user("boss", [deployment.role("administrators", ["issuer:admin"])])
    browser = Browser(issuer.http, issuer.url)
    browser.sign_in("boss")
    token = issuer.token_endpoint.client_credentials(deployment.admin).token
    urls = [url for each in SCREENS.values() for url in each.urls if "export" not in url]
    found = {each for url in (*urls, *MORE_URLS) for each in requests(browser.get(url))}
    assert len(found) >= LEAST_REQUESTS
    refused = {request: said for request in found if (said := pasted(request, token))}
    assert refused == {}


def requests(page: PageSeen) -> Iterator[str]:
    for text in re.findall(r"<pre[^>]*>(curl .*?)</pre>", page.response.text, re.DOTALL):
        if "/admin/v1" in text:
            yield unescape(text)


def pasted(request: str, token: str) -> str:
    """What the shell or the server has against it; empty if there is nothing."""
    done = subprocess.run(
        ["bash", "-c", f"{request} --silent --show-error --fail-with-body"],
        env={**process_environment(), "TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}"
