"""Every command that the console prints is one that the command line takes."""

import json
import re
import shlex
from collections.abc import Iterator
from html import unescape
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import typer

from tests.builders import URL, Deployment
from tests.html_forms import FormOnPage, FormsOnPage
from tests.test_shown_commands import parse, routes_of
from tests.web.browsing import Browser, PageSeen
from tests.web.console.screens import SCREENS, forms

MORE_URLS = (
    "/console/clients/with-secret",
    "/console/users/wanda?through=pipeline&at=my-os",
    "/console/explain?subject=pipeline&method=POST&path=/agents/web/runs",
    "/console/explain?subject=wanda&through=pipeline&method=DELETE&path=/sessions/1",
)
# What is typed into fields of these names; the last are boxes.
TYPED = {
    **{"name": "O'Brien & co", "description": "it's -one", "access_token_ttl": "15m", "typ": "JWT"},
    **{"scopes": "agents:read\nsessions:read", "add": "teams:run", "claims": '{"a": "b c"}'},
    **{"redirect_uris": "https://app.example/a https://app.example/b", "audiences": "my-os"},
    **{"resources": "https://os.example/mcp", "signing_alg": "RS256", "roles": "reader"},
    **{"token_endpoint_auth_method": "client_secret_post", "user_rights": "all"},
    **{"username": "new user {}", "email": "new{}@example.com", "email_verified": "yes"},
    **{"lifetime": "1d", "label": "-a label", "expires_at": "2027-01-01", "client": "pipeline"},
    **{"id": "new-{}", "client_id": "new-client-{}", "role": "reader", "audience": "my-os"},
    **{"issuer": "https://other.example", "jwks_uri": "https://other.example/keys"},
    **{"source": "jwks_uri", "github": "o/r", "owner_id": "1", "repository_id": "2"},
    **{"ES256": "yes", "first_party": "yes", "include_roles": "yes", "client_credentials": "yes"},
}
LEAST_REQUESTS = 15
LEAST = 40  # of the commands that the console knows
numbers = count(1)


def printed(page: PageSeen) -> Iterator[str]:
    """The commands on a page; an argument may have several lines."""
    for text in re.findall(r"<pre[^>]*>(.*?)</pre>", page.response.text, re.DOTALL):
        command = ""
        for line in unescape(re.sub(r"<[^>]+>", "", text)).splitlines():
            if command or line.startswith("issuer "):
                command = f"{command}\n{line}".lstrip()
            if is_whole(command):
                yield command
                command = ""
        assert not command, text


def is_whole(command: str) -> bool:
    try:
        return bool(shlex.split(command))
    except ValueError:
        return False


def answers(browser: Browser, form: FormOnPage) -> Iterator[PageSeen]:
    """What each button of the form leads to: a question, then what was done."""
    number = next(numbers)
    typed = {
        name: value.format(number) if "{}" in value else value for name, value in TYPED.items()
    }
    for name, value in form.buttons or [("do", "")]:
        shown = {n: text for n, text in form.fields.items() if text}
        is_edited = value in {"save", "review"}
        given = {**form.fields, **typed} if is_edited else {**form.fields, **typed, **shown}
        sent = {**given, "form": form.fields["form"], name: value}
        page = browser.post(form.action, sent)
        yield browser.follow(page)
        key = form.action.rpartition("/")[2]
        for asked in FormsOnPage(page.response.text).forms:
            if "confirmed" in asked.fields:
                page = browser.post(form.action, {**asked.fields, "typed": key})
                yield browser.follow(page)


def pages(browser: Browser) -> Iterator[PageSeen]:
    """Every screen, and what its forms lead to; what deletes comes last."""
    urls = [url for screen in SCREENS.values() for url in screen.urls if "export" not in url]
    found = [(url, form) for url in (*urls, *MORE_URLS) for form in forms(browser, url)]
    yield from (browser.get(url) for url in (*urls, *MORE_URLS))
    ends = ("delete", "disable")
    found.sort(key=lambda each: any(value in ends for _, value in each[1].buttons))
    for url, form in found:
        for again in forms(browser, url):
            if again.buttons == form.buttons and again.action == form.action:
                yield from answers(browser, again)
                break


def test_the_command_line_takes_every_command_that_the_console_prints(
    issuer: Deployment, boss: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    issuer.secret(issuer.client("with-secret"))
    commands = {command for page in pages(boss) for command in printed(page)}
    refused = {}
    names = set()
    for command in sorted(commands):
        try:
            names.add(parse(command))
        except typer.exceptions.TyperException as error:
            refused[command] = str(error)
    assert refused == {}
    assert len(names) >= LEAST, names


def test_every_request_that_the_console_prints_can_be_pasted(issuer: Deployment, boss: Browser):
    """Its token is in a variable: a page never has one."""
    issuer.secret(issuer.client("with-more"))
    urls = [url for screen in SCREENS.values() for url in screen.urls if "export" not in url]
    found = {each for url in (*urls, *MORE_URLS) for each in requests(boss.get(url))}
    page = boss.submit(boss.get("/console/roles", new="yes"), "/console/roles", name="it's")
    form = {"name": "o'b", "description": 'it\'s "$HOME"', "do": "force"}
    page = boss.submit(boss.get("/console/roles", new="yes"), "/console/roles", **form)
    assert page.status == httpx.codes.BAD_REQUEST
    form = {**form, "name": "o-b"}
    page = boss.submit(boss.get("/console/roles", new="yes"), "/console/roles", **form)
    found |= (made := {*requests(boss.follow(page))})
    assert len(found) >= LEAST_REQUESTS
    for text in found:
        command, _, method, url, *rest = shlex.split(text)
        assert (command, url.startswith(f"{URL}/admin/v1/")) == ("curl", True)
        path = urlsplit(url).path.removeprefix("/admin/v1/").split("/")
        assert len(routes_of(method, tuple(path))) == 1, text
        assert rest[:2] == ["-H", "Authorization: Bearer $TOKEN"]
        if "-d" in rest:
            json.loads(rest[rest.index("-d") + 1])
    (creation,) = (text for text in made if " POST " in text)
    body = json.loads(shlex.split(creation)[-1])
    assert body == {"name": "o-b", "description": 'it\'s "$HOME"'}


def requests(page: PageSeen) -> Iterator[str]:
    for text in re.findall(r"<pre[^>]*>(curl .*?)</pre>", page.response.text, re.DOTALL):
        if "/admin/v1" in text:
            yield unescape(text).replace("\\\n", "")
