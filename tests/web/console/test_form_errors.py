"""What is wrong with a form is said at its fields, at the top of the page and in its title."""

import re

import httpx
import pytest

from tests.builders import Deployment
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import forged
from tests.web.outline import Outline

WRONG: list[tuple[str, dict[str, str], str]] = [
    ("/console/roles", {"name": "a b", "do": "create"}, "Name"),
    ("/console/roles", {"name": "x", "scopes": "a:b:c:d", "do": "create"}, "Scopes"),
    ("/console/clients", {"kind": "service", "client_id": "a b"}, "Id"),
    ("/console/clients", {"kind": "service", "audiences": "none"}, "Audiences"),
    ("/console/clients", {"kind": "service", "roles": "none", "audiences": "my-os"}, "Roles"),
    ("/console/clients", {"kind": "web", "redirect_uris": "x"}, "Redirect URIs"),
    ("/console/clients", {"kind": "web", "jwks": "{"}, "Public keys"),
    ("/console/clients/pipeline", {"do": "save", "jwks": "{", "version": "{}"}, "Public keys"),
    ("/console/clients/pipeline", {"do": "save", "scopes": "a:b:c:d", "version": "{}"}, "Scopes"),
    ("/console/clients/pipeline", {"do": "assign-role"}, "Role"),
    ("/console/clients/pipeline", {"do": "assign-role", "role": "reader"}, "Audience"),
    ("/console/users", {"username": "\x01"}, "User name"),
    ("/console/users", {"username": "u", "roles": "reader"}, "Audience"),
    ("/console/users/wanda", {"do": "save", "claims": "{", "version": "{}"}, "Claims"),
    ("/console/audiences", {"id": "a b"}, "Id"),
    ("/console/audiences/other-os", {"do": "save", "access_token_ttl": "x", "version": "{}"}, ""),
    ("/console/groups", {"name": ""}, "Name"),
    ("/console/trusted-issuers", {"id": "a b", "issuer": "x"}, "Id"),
    ("/console/trusted-issuers", {"id": "o", "issuer": "https://o.example"}, "Algorithms"),
    ("/console/configuration", {"do": "plan", "source": "roles: 1"}, "Source"),
]


def version_of(deployment: Deployment, path: str) -> str:
    plural, _, key = path.removeprefix("/console/").partition("/")
    with deployment.changing() as work:
        return str(getattr(work, plural.replace("-", "_")).get(key).version)


@pytest.mark.parametrize(("path", "sent", "label"), WRONG)
def test_it_is_said_in_the_title_at_the_top_and_at_the_field(
    issuer: Deployment, boss: Browser, path: str, sent: dict[str, str], label: str
):
    if "version" in sent:
        sent = {**sent, "version": version_of(issuer, path)}
    page = forged(issuer, boss, path, **sent)
    assert page.status in {httpx.codes.BAD_REQUEST, httpx.codes.CONFLICT}
    assert "<title>Error: " in page.response.text
    assert "<h1>Error" not in page.response.text
    assert "There is a problem" in page.text
    assert label in summary(page)
    outline = Outline(page.response.text)
    ids = {each["id"] for _, each in outline.elements if "id" in each}
    links = [e["href"] for e in outline.of("a") if (e.get("href") or "").endswith("-error")]
    assert links
    assert {each.removeprefix("#") for each in links} <= ids


def summary(page: PageSeen) -> str:
    found = re.search(r"There is a problem.*?</ul>", page.response.text, re.DOTALL)
    assert found
    return re.sub("<.*?>", "", found[0])


def test_a_form_that_is_right_has_no_summary(issuer: Deployment, boss: Browser):
    page = boss.get("/console/roles", new="yes")
    assert "Error" not in page.response.text
    assert "There is a problem" not in page.text
