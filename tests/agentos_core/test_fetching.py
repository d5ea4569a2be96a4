"""Fetching from broken and malicious servers."""

import asyncio
import gzip
import socket

import pytest

from issuer.agentos.errors import InvalidConfiguration, NotFetched
from issuer.agentos.fetching import MAX_BYTES, Fetched, fetch, new_client, require_safe
from tests.agentos_core.hostile_server import (
    Behaviour,
    HostileServer,
    answer,
    break_off,
    drip,
    endless,
    hang,
    reset,
)
from tests.rows import rows


def fetched(*urls: str, etag: str | None = None) -> list[Fetched | BaseException]:
    """The result of each, fetched concurrently."""

    async def fetch_all() -> list[Fetched | BaseException]:
        async with new_client() as client:
            all_of_them = (fetch(client, url, etag) for url in urls)
            return await asyncio.gather(*all_of_them, return_exceptions=True)

    return asyncio.run(fetch_all())


def test_a_server_that_hangs_or_drips_is_abandoned_after_the_deadline(server: HostileServer):
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # accepts connections, never answers
        urls = [server.at("/hang", hang), server.at("/drip", drip)]
        urls.append(f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        for open_answer in fetched(*urls):
            assert isinstance(open_answer, NotFetched)
            assert str(open_answer) == "did not answer within 5 s"


@rows(
    ("behaviour", "problem"),
    [
        (reset, "cannot be reached"),
        (break_off, "cannot be reached"),
        (endless, f"answered more than {MAX_BYTES} bytes"),
        (answer(b" " * (MAX_BYTES + 1)), f"answered more than {MAX_BYTES} bytes"),
        (answer(b"{}", status=500), "answered 500"),
        (answer(b"{}", status=503, retry_after="86400"), "answered 503"),
        (answer(b"{}", status=404), "answered 404"),
        (answer(b"{}", status=201), "answered 201"),
        (answer(b"", status=204), "answered 204"),
        (answer(b"", status=304), "answered 304"),  # the request had no If-None-Match
        (answer(b"<html>", content_type="text/html"), "content type 'text/html'"),
        (answer(b"{}", content_type="application/jsonp"), "content type 'application/jsonp'"),
        (answer(gzip.compress(b" " * 10_000_000), content_encoding="gzip"), "encoding"),
        (answer(b"{}", content_encoding="br, identity"), "encoding"),
        (answer(b"{}", x=" " * 200_000), "cannot be reached"),
    ],
)
def test_an_invalid_answer_is_refused(server: HostileServer, behaviour: Behaviour, problem: str):
    (open_answer,) = fetched(server.at("/bad", behaviour))
    assert isinstance(open_answer, NotFetched)
    assert problem in str(open_answer)


@rows("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(server: HostileServer, status: int):
    there = server.at("/there", answer(b"{}"))
    server.asked.clear()
    (open_answer,) = fetched(server.at("/here", answer(status=status, location=there)))
    assert isinstance(open_answer, NotFetched)
    assert server.asked == {"/here": 1}


def test_an_unreachable_server_raises_not_fetched():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    urls = [f"http://127.0.0.1:{port}/", "https://issuer.invalid/", "https://a..b/"]
    for open_answer in fetched(*urls, f"https://{'a' * 300}.example/"):
        assert isinstance(open_answer, NotFetched)


@rows(
    "content_type",
    ["application/json", "application/jwk-set+json", "Application/JSON; charset=utf-8", None],
)
def test_json_is_accepted(server: HostileServer, content_type: str | None):
    server.at("/good", answer(b"{}", content_type=content_type, etag='"1"'))
    assert fetched(server.url + "/good") == [Fetched(b"{}", '"1"', 300)]


def test_an_answer_of_the_maximum_size_is_accepted(server: HostileServer):
    (open_answer,) = fetched(server.at("/large", answer(b" " * MAX_BYTES)))
    assert isinstance(open_answer, Fetched)


def test_an_etag_leads_to_not_modified(server: HostileServer):
    url = server.at("/same", answer(status=304, cache_control="max-age=7"))
    assert fetched(url, etag='"1"') == [Fetched(None, '"1"', 7)]
    assert server.headers_seen["/same"]["If-None-Match"] == '"1"'


@rows(
    ("headers", "max_age"),
    [
        ({"cache_control": None}, None),
        ({"cache_control": "public"}, None),
        ({"cache_control": "public, max-age=60"}, 60),
        ({"cache_control": "Max-Age=0"}, 0),
        ({"cache_control": "s-maxage=5,max-age=60"}, 60),
        ({"cache_control": "s-maxage=5"}, None),
        ({"cache_control": "max-age=-1"}, None),
        ({"cache_control": "max-age=soon"}, None),
        ({"cache_control": "no-store"}, 0),
        ({"cache_control": "no-cache"}, 0),
        ({"cache_control": "max-age=60", "age": "20"}, 40),
        ({"cache_control": "max-age=60", "age": "90"}, 0),
        ({"cache_control": "max-age=60", "age": "9" * 400}, 0),
        ({"cache_control": "max-age=60", "age": "-5"}, 60),
        ({"cache_control": "max-age=60", "age": "old"}, 60),
    ],
)
def test_max_age_is_read_from_cache_control(
    server: HostileServer, headers: dict[str, str | None], max_age: float | None
):
    """RFC 9111 §5.1, §5.2.2."""
    assert fetched(server.at("/kept", answer(b"{}", **headers))) == [Fetched(b"{}", None, max_age)]


def test_a_proxy_of_the_environment_is_not_used(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
):
    """It could impersonate an issuer that serves plain http on this machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, server.url)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    (open_answer,) = fetched(f"http://127.0.0.1:{port}/keys")
    assert isinstance(open_answer, NotFetched)
    assert not server.asked


@rows(
    "url",
    [
        "http://id.example/keys",
        "http://127.0.0.1.evil.example/keys",
        "http://localhost.evil.example/keys",
        "https://alice:secret@id.example/keys",
        "http://127.0.0.1@evil.example/keys",
        "file:///etc/passwd",
        "ftp://id.example/keys",
        "id.example/keys",
        "//id.example/keys",
        "https:///keys",
        "https://[::1/keys",
        "https://[no-address]/keys",
        "https://id.example:99999/keys",
        "https://id.example:x/keys",
        "",
    ],
)
def test_an_unsafe_url_is_refused(url: str):
    with pytest.raises(InvalidConfiguration):
        require_safe(url, allow_http=False)


@rows(
    "url",
    ["https://id.example", "http://localhost:7000", "http://127.0.0.1/", "http://[::1]:7000/keys"],
)
def test_https_and_loopback_urls_are_safe(url: str):
    require_safe(url, allow_http=False)


def test_http_can_be_allowed():
    require_safe("http://id.example/keys", allow_http=True)
    with pytest.raises(InvalidConfiguration):
        require_safe("file:///etc/passwd", allow_http=True)
