"""What a fetch makes of servers that are broken or mean."""

import asyncio
import gzip
import socket

import pytest

from issuer.agentos.errors import ConfigurationError, NotFetched
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


def fetched(*urls: str, etag: str | None = None) -> list[Fetched | BaseException]:
    """What becomes of each, all at once."""

    async def fetch_all() -> list[Fetched | BaseException]:
        async with new_client() as client:
            all_of_them = (fetch(client, url, etag) for url in urls)
            return await asyncio.gather(*all_of_them, return_exceptions=True)

    return asyncio.run(fetch_all())


def test_who_hangs_or_drips_is_left_after_the_deadline(server: HostileServer):
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # the system accepts, nobody answers
        urls = [server.at("/hang", hang), server.at("/drip", drip)]
        urls.append(f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        for answered in fetched(*urls):
            assert isinstance(answered, NotFetched)
            assert str(answered) == "did not answer within 5 s"


@pytest.mark.parametrize(
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
        (answer(b"", status=304), "answered 304"),  # nobody said "if none match"
        (answer(b"<html>", content_type="text/html"), "content type 'text/html'"),
        (answer(b"{}", content_type="application/jsonp"), "content type 'application/jsonp'"),
        (answer(gzip.compress(b" " * 10_000_000), content_encoding="gzip"), "encoding"),
        (answer(b"{}", content_encoding="br, identity"), "encoding"),
        (answer(b"{}", x=" " * 200_000), "cannot be reached"),
    ],
)
def test_a_bad_answer_is_not_taken(server: HostileServer, behaviour: Behaviour, problem: str):
    (answered,) = fetched(server.at("/bad", behaviour))
    assert isinstance(answered, NotFetched)
    assert problem in str(answered)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(server: HostileServer, status: int):
    there = server.at("/there", answer(b"{}"))
    (answered,) = fetched(server.at("/here", answer(status=status, location=there)))
    assert isinstance(answered, NotFetched)
    assert server.asked == {"/here": 1}


def test_who_is_not_there_is_not_reached():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    urls = [f"http://127.0.0.1:{port}/", "https://issuer.invalid/", "https://a..b/"]
    for answered in fetched(*urls, f"https://{'a' * 300}.example/"):
        assert isinstance(answered, NotFetched)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/jwk-set+json", "Application/JSON; charset=utf-8", None],
)
def test_json_is_taken(server: HostileServer, content_type: str | None):
    server.at("/good", answer(b"{}", content_type=content_type, etag='"1"'))
    assert fetched(server.url + "/good") == [Fetched(b"{}", '"1"', 300)]


def test_what_is_as_large_as_allowed_is_taken(server: HostileServer):
    (answered,) = fetched(server.at("/large", answer(b" " * MAX_BYTES)))
    assert isinstance(answered, Fetched)


def test_who_has_it_is_told_so(server: HostileServer):
    url = server.at("/same", answer(status=304, cache_control="max-age=7"))
    assert fetched(url, etag='"1"') == [Fetched(None, '"1"', 7)]
    assert server.headers_seen["/same"]["If-None-Match"] == '"1"'


@pytest.mark.parametrize(
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
def test_how_long_it_may_be_kept_is_read(
    server: HostileServer, headers: dict[str, str | None], max_age: float | None
):
    """RFC 9111 §5.1, §5.2.2."""
    assert fetched(server.at("/kept", answer(b"{}", **headers))) == [Fetched(b"{}", None, max_age)]


def test_a_proxy_of_the_environment_sees_nothing(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
):
    """It could answer in the place of an issuer that is plain http on this machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, server.url)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    (answered,) = fetched(f"http://127.0.0.1:{port}/keys")
    assert isinstance(answered, NotFetched)
    assert not server.asked


@pytest.mark.parametrize(
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
    with pytest.raises(ConfigurationError):
        require_safe(url, allow_http=False)


@pytest.mark.parametrize(
    "url",
    ["https://id.example", "http://localhost:7000", "http://127.0.0.1/", "http://[::1]:7000/keys"],
)
def test_a_safe_url_is_one_that_nobody_else_answers(url: str):
    require_safe(url, allow_http=False)


def test_http_is_taken_from_who_insists():
    require_safe("http://id.example/keys", allow_http=True)
    with pytest.raises(ConfigurationError):
        require_safe("file:///etc/passwd", allow_http=True)
