"""The first page, the files of the pages, and what the log says."""

import httpx
import pytest

from issuer.web.assets import TYPES, Assets, content

STYLESHEET_LIMIT = 15 * 1024


def test_the_root_says_what_this_is(http: httpx.Client):
    answer = http.get("/")
    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "id.example" in answer.text
    assert 'href="/.well-known/oauth-authorization-server"' in answer.text


def test_every_link_of_the_root_leads_somewhere(http: httpx.Client):
    links = [part.partition('"')[0] for part in http.get("/").text.split('href="')[1:]]
    assert links
    for link in links:
        if link != "/sign-in" and not link.startswith("#"):
            assert http.get(link).status_code == httpx.codes.OK, link


@pytest.mark.parametrize("name", TYPES)
def test_a_file_is_cached_until_its_content_changes(http: httpx.Client, name: str):
    answer = http.get(Assets().path(name))
    assert answer.content == content(name)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/assets/0/style.css", "/assets/../app.py", "/assets/x/y"])
def test_other_files_are_not_served(http: httpx.Client, path: str):
    assert http.get(path).status_code == httpx.codes.NOT_FOUND


def test_the_stylesheet_is_small():
    assert len(content("style.css")) <= STYLESHEET_LIMIT
