"""Following the key sets of others: rotation is followed, and trouble stays where it is."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from issuer.agentos.fetching import Fetched
from issuer.errors import Unavailable
from issuer.federation import FetchBudget, Fetcher, FetchRefused
from issuer.federation.key_sets import FOLLOWED_FOR, FollowedKeySet, FollowedKeySets
from issuer.federation.key_source import KeySource
from tests.builders import FakeClock
from tests.federation.tls_server import HOST, Handler, answer, tls_server
from tests.journeys.running_issuer import wait_until
from tests.oauth.asserting import AssertingClient
from tests.rows import rows
from tests.trusting import OtherIssuer

URL, OTHER = "https://app.example/jwks.json", "https://other.example/jwks.json"


@dataclass
class KeyWeb:
    """The key sets of the internet, by URL; how often each was fetched."""

    keys: dict[str, list[AssertingClient]] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    max_age: float | None = None
    hanging: set[str] = field(default_factory=set)
    documents: dict[str, bytes] = field(default_factory=dict)

    def publish(self, url: str, *clients: AssertingClient) -> None:
        self.keys[url] = list(clients)

    async def fetch_if_changed(self, url: str, etag: str | None) -> Fetched:
        self.fetched.append(url)
        if url in self.hanging:
            await asyncio.sleep(60)
        if url in self.documents:
            return Fetched(self.documents[url], None, None)
        if url not in self.keys:
            raise FetchRefused(f"{url} answered 404.")
        body = json.dumps({"keys": [each.jwk for each in self.keys[url]]}).encode()
        return Fetched(body, None, self.max_age)


@pytest.fixture
def web() -> KeyWeb:
    return KeyWeb()


@pytest.fixture
def sets(web: KeyWeb, clock: FakeClock) -> Iterator[FollowedKeySets]:
    sets = FollowedKeySets(web, FetchBudget(clock), clock, 10.0)
    yield sets
    sets.stop()


def signer(kid: str) -> AssertingClient:
    return AssertingClient.new("app", kid=kid)


def kids(sets: FollowedKeySets, url: str = URL) -> set[str]:
    """Those that are known now."""
    return set(sets.keys(KeySource(url)))


def look(sets: FollowedKeySets, url: str, kid: str | None) -> set[str]:
    asyncio.run(sets.fetch_keys(KeySource(url), kid))
    return kids(sets, url)


def test_a_set_is_fetched_when_it_is_first_needed(web: KeyWeb, sets: FollowedKeySets):
    web.publish(URL, signer("k1"))
    assert web.fetched == []
    assert look(sets, URL, "k1") == {"k1"}
    assert web.fetched == [URL]


@rows(
    ("algorithms", "named", "found"),
    [
        (("RS256",), ["RS256", "ES256"], {"ES256", "RS256"}),
        (("RS256",), ["Ed25519"], {"RS256", "EdDSA"}),
        (("RS256",), ["HS256", "none", 7, {}], {"RS256"}),
        (("RS256",), "ES256", {"RS256"}),
        (("RS256",), None, {"RS256"}),
        (("EdDSA",), ["RS256", "ES256"], {"EdDSA"}),
    ],
)
def test_the_algorithms_of_id_tokens_are_those_of_the_metadata_unless_others_are_set(
    clock: FakeClock, algorithms: tuple[str, ...], named: object, found: set[str]
):
    """OpenID Connect Discovery §3."""
    issuer, web = "https://login.example", KeyWeb()
    keys = [OtherIssuer.new(issuer, alg, kid=alg).jwk for alg in ("RS256", "ES256", "EdDSA")]
    metadata = {
        "issuer": issuer,
        "jwks_uri": URL,
        "id_token_signing_alg_values_supported": named,
    }
    web.documents[f"{issuer}/.well-known/openid-configuration"] = json.dumps(metadata).encode()
    web.documents[URL] = json.dumps({"keys": keys}).encode()
    sets = FollowedKeySets(web, FetchBudget(clock), clock, 10.0)
    source = KeySource(None, issuer, algorithms)
    asyncio.run(sets.fetch_keys(source, None))
    assert {each.alg for each in sets.keys(source).values()} == found
    sets.stop()


def test_an_unknown_key_costs_one_fetch_in_five_seconds(
    web: KeyWeb, sets: FollowedKeySets, clock: FakeClock
):
    web.publish(URL, signer("k1"))
    look(sets, URL, "k1")
    web.publish(URL, signer("k2"))
    assert look(sets, URL, "k2") == {"k2"}
    for _ in range(20):
        look(sets, URL, "never-there")
    assert len(web.fetched) == 2
    clock.move(timedelta(seconds=5))
    look(sets, URL, "never-there")
    assert len(web.fetched) == 3


def test_a_key_that_left_the_set_is_forgotten_without_a_request(
    web: KeyWeb, sets: FollowedKeySets, clock: FakeClock
):
    web.publish(URL, signer("k1"), signer("k2"))
    assert look(sets, URL, "k1") == {"k1", "k2"}
    web.publish(URL, signer("k2"))
    clock.move(timedelta(minutes=1))
    wait_until(lambda: kids(sets) == {"k2"}, 5, "the set is polled")


def test_the_last_set_is_trusted_for_a_day_while_the_host_is_away(
    web: KeyWeb, sets: FollowedKeySets, clock: FakeClock
):
    web.publish(URL, signer("k1"))
    look(sets, URL, "k1")
    web.keys.clear()
    clock.move(timedelta(hours=24))
    assert kids(sets) == {"k1"}
    clock.move(timedelta(seconds=1))
    assert kids(sets) == set()


def test_a_host_that_hangs_delays_no_other(web: KeyWeb, sets: FollowedKeySets):
    web.hanging.add(URL)
    web.publish(OTHER, signer("k1"))
    kids(sets)
    began = time.monotonic()
    assert look(sets, OTHER, "k1") == {"k1"}
    assert time.monotonic() - began < 1


def test_a_request_waits_three_seconds_at_most(web: KeyWeb, sets: FollowedKeySets):
    web.hanging.add(URL)
    began = time.monotonic()
    assert look(sets, URL, "k1") == set()
    assert 2 < time.monotonic() - began < 5


def test_only_so_many_requests_wait(web: KeyWeb, sets: FollowedKeySets):
    web.hanging.add(URL)

    async def many() -> list[Any]:
        looks = (sets.fetch_keys(KeySource(URL), "k1") for _ in range(101))
        return await asyncio.gather(*looks, return_exceptions=True)

    results = asyncio.run(many())
    assert sum(isinstance(each, Unavailable) for each in results) == 1


def test_fetches_are_bounded_however_many_urls_are_named(
    web: KeyWeb, sets: FollowedKeySets, clock: FakeClock
):
    for number in range(100):
        look(sets, f"https://app.example/{number}", None)
    assert len(web.fetched) == 10  # of one host in a minute
    clock.move(timedelta(minutes=1))
    web.fetched.clear()
    for number in range(100):
        look(sets, f"https://host-{number}.example/", None)
    assert len(web.fetched) <= 60


def test_what_nobody_uses_is_followed_no_more(web: KeyWeb, sets: FollowedKeySets, clock: FakeClock):
    web.publish(URL, signer("k1"))
    look(sets, URL, "k1")
    clock.move(timedelta(seconds=FOLLOWED_FOR + 1))
    sets.stop_unused()
    assert not sets._followed


def test_private_symmetric_and_weak_keys_of_a_set_are_skipped(web: KeyWeb, sets: FollowedKeySets):
    web.publish(URL, signer("k1"))
    good = web.keys[URL][0].jwk
    private = {**signer("private").key.as_dict(private=True), "kid": "private", "alg": "ES256"}
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "alg": "HS256"}
    weak = {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": "weak", "alg": "EdDSA"}
    body = json.dumps({"keys": [private, secret, weak, good]}).encode()

    async def published(url: str, etag: str | None) -> Fetched:
        return Fetched(body, None, None)

    web.fetch_if_changed = published
    assert look(sets, URL, "k1") == {"k1"}


@rows(
    "behaviour",
    [
        answer(b'{"keys": []}'),
        answer(b"x" * 100_000),
        answer(b"{}", status=302, location="https://elsewhere.example"),
        answer(b"not json"),
        answer(b'{"keys": 1}'),
    ],
)
def test_a_host_that_lies_or_floods_gives_no_keys(tmp_path: Path, clock: FakeClock, behaviour: Any):
    with tls_server(tmp_path) as server:
        fetcher = Fetcher(lambda host, port: ["127.0.0.1"], lambda address: True, server.trust)
        sets = FollowedKeySets(fetcher, FetchBudget(clock), clock, 10.0)
        assert look(sets, server.at("/jwks", behaviour), None) == set()
        assert {path for path, _ in server.asked} == {"/jwks"}
        sets.stop()


def test_a_set_is_not_fetched_from_the_network_of_the_issuer(tmp_path: Path, clock: FakeClock):
    with tls_server(tmp_path) as server:
        fetcher = Fetcher(lambda host, port: ["127.0.0.1"], certificates=server.trust)
        sets = FollowedKeySets(fetcher, FetchBudget(clock), clock, 10.0)

        def never(handler: Handler) -> None:
            raise AssertionError

        assert look(sets, server.at("/jwks", never), None) == set()
        assert (server.asked, HOST in server.at("/jwks", never)) == ([], True)
        sets.stop()


def test_how_a_set_is_followed_is_told_without_following_it(
    web: KeyWeb, sets: FollowedKeySets, clock: FakeClock
):
    key_set = FollowedKeySet(sets, KeySource(URL))
    assert key_set.state is None
    look(sets, URL, None)
    state = key_set.state
    assert state is not None
    assert (state.keys, state.fetched_at) == ({}, None)
    assert "answered 404" in str(state.problem)
    web.publish(URL, signer("k1"))
    clock.move(timedelta(seconds=6))
    look(sets, URL, None)
    fetched_at = clock()
    clock.move(timedelta(seconds=30))
    state = key_set.state
    assert state is not None
    assert ([*state.keys], state.fetched_at, state.problem) == (["k1"], fetched_at, None)
    clock.move(timedelta(seconds=FOLLOWED_FOR))
    sets.stop_unused()
    assert key_set.state is None
