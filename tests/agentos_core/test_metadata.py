"""Finding the key set in the issuer's metadata (RFC 8414)."""

import asyncio
from typing import Any

import pytest

from issuer.agentos.errors import NotFetched
from issuer.agentos.fetching import Source, metadata_urls
from tests.agentos_core.conftest import Clocks
from tests.agentos_core.hostile_server import (
    KEYS,
    OPENID,
    STANDARD,
    Behaviour,
    HostileServer,
    answer,
    metadata,
)
from tests.rows import rows


@pytest.fixture
def source(server: HostileServer, clocks: Clocks) -> Source:
    return Source(server.url, "jwks_uri", clock=clocks.monotonic)


def body_of(source: Source, etag: str | None = None) -> bytes | None:
    return asyncio.run(source(etag)).body


@rows(
    ("issuer", "standard", "openid"),
    [
        ("https://id.example", STANDARD, OPENID),
        ("https://id.example/", STANDARD, OPENID),
        ("https://id.example/a/b", f"{STANDARD}/a/b", f"/a/b{OPENID}"),
        ("https://id.example/a/", f"{STANDARD}/a", f"/a{OPENID}"),
    ],
)
def test_metadata_is_at_its_well_known_urls(issuer: str, standard: str, openid: str):
    """RFC 8414 §3.1, OpenID Connect Discovery §4."""
    assert metadata_urls(issuer) == (f"https://id.example{standard}", f"https://id.example{openid}")


def test_an_issuer_with_a_path_is_found(server: HostileServer, clocks: Clocks):
    issuer = f"{server.url}/tenant"
    server.at(f"{STANDARD}/tenant", metadata(issuer, jwks_uri=server.url + KEYS))
    assert body_of(Source(issuer, "jwks_uri", clock=clocks.monotonic))
    assert server.asked == {f"{STANDARD}/tenant": 1, KEYS: 1}


def test_an_issuer_with_openid_connect_metadata_only_is_found(
    server: HostileServer, source: Source
):
    server.at(OPENID, server.behaviours.pop(STANDARD))
    assert body_of(source)
    assert server.asked == {STANDARD: 1, OPENID: 1, KEYS: 1}


@rows(
    ("members", "problem"),
    [
        ({"issuer": "https://other.example"}, "is from another issuer"),
        ({"issuer": None}, "is from another issuer"),
        ({"issuer": ["{url}"]}, "is from another issuer"),
        ({"issuer": "{url}/"}, "is from another issuer"),
        ({"jwks_uri": None}, 'has no "jwks_uri"'),
        ({"jwks_uri": ["{url}/keys"]}, 'has no "jwks_uri"'),
        ({"jwks_uri": "http://id.example/keys"}, "unsafe"),
        ({"jwks_uri": "https://alice:secret@id.example/keys"}, "unsafe"),
        ({"jwks_uri": "file:///etc/passwd"}, "unsafe"),
        ({"jwks_uri": "/keys"}, "unsafe"),
        ({"jwks_uri": ""}, "unsafe"),
        ({"jwks_uri": "https://[::1/keys"}, "unsafe"),
    ],
)
def test_invalid_metadata_is_not_used(
    server: HostileServer, clocks: Clocks, members: dict[str, Any], problem: str
):
    """RFC 8414 §3.3."""
    good = {"issuer": server.url, "jwks_uri": server.url + KEYS}
    published = {name: filled(value, server.url) for name, value in (good | members).items()}
    server.at(STANDARD, metadata(**published))
    with pytest.raises(NotFetched, match=problem):
        body_of(Source(server.url, "jwks_uri", clock=clocks.monotonic))
    assert KEYS not in server.asked


@rows(
    "behaviour",
    [answer(b"[]"), answer(b"null"), answer(b"{"), answer(b"[" * 100_000), answer(b"\xff")],
)
def test_metadata_that_is_not_an_object_is_not_used(
    server: HostileServer, clocks: Clocks, behaviour: Behaviour
):
    server.at(STANDARD, behaviour)
    with pytest.raises(NotFetched):
        body_of(Source(server.url, "jwks_uri", clock=clocks.monotonic))


def test_metadata_is_read_once_an_hour(server: HostileServer, source: Source, clocks: Clocks):
    for _ in range(3):
        body_of(source)
        clocks.move(1_199)
    assert server.asked == {STANDARD: 1, KEYS: 3}
    clocks.move(3)
    body_of(source)
    assert server.asked == {STANDARD: 2, KEYS: 4}


@pytest.mark.parametrize(
    "behaviour", [answer(status=500), metadata("https://other.example", jwks_uri="https://other")]
)
def test_the_known_url_stays_in_use_while_the_metadata_is_unavailable(
    server: HostileServer, source: Source, clocks: Clocks, behaviour: Behaviour
):
    body_of(source)
    server.at(STANDARD, behaviour)
    clocks.move(3_600)
    assert body_of(source)


def test_failing_metadata_is_fetched_once_a_minute(
    server: HostileServer, source: Source, clocks: Clocks
):
    """Keys may be fetched each second, and hanging metadata would delay each fetch."""
    body_of(source)
    server.at(STANDARD, answer(status=500))
    clocks.move(3_600)
    for _ in range(60):
        assert body_of(source)
        clocks.move(1)
    assert server.asked[STANDARD] == 2
    body_of(source)
    assert server.asked[STANDARD] == 3


def test_a_key_set_that_has_moved_is_found_again(server: HostileServer, source: Source):
    body_of(source)
    server.at("/moved", server.behaviours.pop(KEYS))
    server.at(STANDARD, metadata(server.url, jwks_uri=server.url + "/moved"))
    with pytest.raises(NotFetched):
        body_of(source)
    assert body_of(source)
    assert source.url == f"{server.url}/moved"


def test_the_etag_of_one_url_is_not_sent_to_another(
    server: HostileServer, source: Source, clocks: Clocks
):
    """RFC 9110 §8.8.3: an entity tag applies to one resource only."""
    body_of(source)
    server.at("/moved", server.behaviours[KEYS])
    server.at(STANDARD, metadata(server.url, jwks_uri=server.url + "/moved"))
    clocks.move(3_600)
    body_of(source, etag='"1"')
    assert "If-None-Match" not in server.headers_seen["/moved"]
    body_of(source, etag='"2"')
    assert server.headers_seen["/moved"]["If-None-Match"] == '"2"'


def test_a_configured_url_needs_no_metadata(server: HostileServer, clocks: Clocks):
    source = Source(server.url, "jwks_uri", url=server.url + KEYS, clock=clocks.monotonic)
    assert body_of(source)
    assert server.asked == {KEYS: 1}


def filled(value: Any, url: str) -> Any:
    if isinstance(value, list):
        return [filled(each, url) for each in value]
    return value.format(url=url) if isinstance(value, str) else value
