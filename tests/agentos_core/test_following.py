"""Polling a key set: rotation, failures, outages and clock changes."""

import asyncio
import json
from collections.abc import Callable, Iterator
from threading import Barrier, Event, Thread
from typing import Any

import jwt
import pytest

from issuer.agentos.errors import InvalidConfiguration, KeySetUnavailable
from issuer.agentos.fetching import Source
from issuer.agentos.issuer_token_verifier import TrustedIssuer
from issuer.agentos.key_set_client import KeySetClient, background
from issuer.agentos.rules import TokenRules, read_unverified
from tests.agentos_core.conftest import Clocks, Following, eventually
from tests.agentos_core.hostile_server import (
    KEYS,
    STANDARD,
    Behaviour,
    HostileServer,
    answer,
    break_off,
    held_until,
    in_turn,
    metadata,
    reset,
)
from tests.agentos_core.keys import key, key_set
from tests.rows import rows

HOUR = 3_600.0
OLD, NEW = key("old"), key("new")


@pytest.fixture
def key_set_client(server: HostileServer, clocks: Clocks) -> Iterator[KeySetClient[bytes]]:
    """Polls any bytes, without parsing them."""
    source = Source(server.url, "jwks_uri", url=server.url + KEYS, clock=clocks.monotonic)
    key_set_client = KeySetClient("The document", source, bytes, clock=clocks.monotonic)
    yield key_set_client
    key_set_client.stop()


def fetch_now(key_set_client: KeySetClient[Any]) -> None:
    asyncio.run(key_set_client.fetch_now())


BAD_ANSWERS = [
    reset,
    break_off,
    answer(status=500),
    answer(status=404),
    answer(b"<html>", content_type="text/html"),
    answer(b"null"),
    answer(b"[" * 100_000),
    answer(b'{"keys": []}'),
    answer(key_set(key("new").private_jwk)),
    answer(key_set(key("new", "RS256"))),
]


@rows("behaviour", BAD_ANSWERS)
def test_an_invalid_answer_changes_nothing_and_is_reported(
    follow: Callable[..., Following], server: HostileServer, clocks: Clocks, behaviour: Behaviour
):
    server.publish(key_set(key()))
    following = follow()
    following.look_for()
    server.at(KEYS, behaviour)
    clocks.move(6)
    following.look_for("new")
    assert following.issuer.claims(following.token())
    assert following.kids == {"k1"}
    assert following.issuer.status()["problem"].startswith(f"The key set of {server.url} ")


@rows("behaviour", BAD_ANSWERS)
def test_a_failed_first_fetch_is_retried_on_request(
    follow: Callable[..., Following], server: HostileServer, clocks: Clocks, behaviour: Behaviour
):
    server.at(KEYS, behaviour)
    following = follow()
    with pytest.raises(KeySetUnavailable) as refused:
        following.look_for("k1")
    assert 1 <= refused.value.retry_after <= 30
    with pytest.raises(KeySetUnavailable):
        following.issuer.claims(following.token())
    server.publish(key_set(key()))
    clocks.move(6)
    following.look_for("k1")
    assert following.issuer.claims(following.token())
    assert following.issuer.status()["problem"] is None


def test_the_log_says_whether_a_valid_version_stays_in_use(
    follow: Callable[..., Following],
    server: HostileServer,
    clocks: Clocks,
    caplog: pytest.LogCaptureFixture,
):
    server.at(KEYS, answer(status=500))
    following = follow()
    with pytest.raises(KeySetUnavailable):
        following.look_for("k1")
    assert "the last valid version" not in caplog.text
    assert "no valid version is held" in caplog.text
    server.publish(key_set(key()))
    clocks.move(6)
    following.look_for("k1")
    server.at(KEYS, answer(status=503))
    clocks.move(6)
    following.look_for("new")
    assert "the last valid version stays in use" in caplog.text


def test_a_failed_first_fetch_is_retried_in_the_background(
    follow: Callable[..., Following], server: HostileServer, clocks: Clocks
):
    server.at(KEYS, answer(status=500))
    following = follow()
    with pytest.raises(KeySetUnavailable):
        following.look_for()
    server.publish(key_set(key()))
    clocks.move(31)
    assert eventually(lambda: following.kids == {"k1"})


def test_with_a_flapping_issuer_the_last_valid_set_is_used(
    following: Following, server: HostileServer, clocks: Clocks
):
    good = (answer(key_set(OLD, key())), answer(key_set(NEW, key())))
    server.at(KEYS, in_turn(good[0], answer(status=500), good[1], answer(b"{}")))
    seen = []
    for _ in range(8):
        clocks.move(6)
        following.look_for("never")
        seen.append(following.kids)
        assert following.issuer.claims(following.token())
    assert {"old", "k1"} in seen
    assert {"new", "k1"} in seen


def test_a_removed_key_no_longer_verifies(
    following: Following, server: HostileServer, clocks: Clocks
):
    token = following.token()
    assert following.issuer.claims(token)
    server.publish(key_set(NEW))
    clocks.move(6)
    following.look_for("new")
    with pytest.raises(jwt.InvalidTokenError):
        following.issuer.claims(token)
    assert following.issuer.claims(following.token(NEW))


def test_metadata_of_another_issuer_is_not_used(
    follow: Callable[..., Following], server: HostileServer
):
    server.at(STANDARD, metadata("https://other.example", jwks_uri=server.url + KEYS))
    following = follow()
    with pytest.raises(KeySetUnavailable):
        following.look_for()
    assert KEYS not in server.asked


@rows(
    ("headers", "seconds"),
    [
        ({"cache_control": "max-age=0"}, 1),
        ({"cache_control": "max-age=1"}, 1),
        ({"cache_control": "max-age=17"}, 17),
        ({"cache_control": "max-age=300"}, 300),
        ({"cache_control": "max-age=86400"}, 300),
        ({"cache_control": "max-age=999999999"}, 300),
        ({"cache_control": None}, 60),
        ({"cache_control": "no-store"}, 1),
        ({"cache_control": "max-age=60", "age": "50"}, 10),
        ({"cache_control": "max-age=60", "age": "60"}, 1),
    ],
)
def test_the_next_fetch_is_when_max_age_is_over(
    key_set_client: KeySetClient[bytes],
    server: HostileServer,
    clocks: Clocks,
    headers: dict[str, str | None],
    seconds: float,
):
    """RFC 9111 §5.2.2.1, from 1 to 300 s."""
    server.at(KEYS, answer(b"{}", **headers))
    fetch_now(key_set_client)
    assert key_set_client.next_at - clocks.steady == seconds


def test_it_fetches_again_in_the_background(
    key_set_client: KeySetClient[bytes], server: HostileServer, clocks: Clocks
):
    server.at(KEYS, answer(b"{}", cache_control="max-age=30"))
    fetch_now(key_set_client)
    clocks.move(30)
    assert eventually(lambda: server.asked[KEYS] == 2)


def test_after_failures_it_tries_again_within_30_seconds(
    key_set_client: KeySetClient[bytes], server: HostileServer, clocks: Clocks
):
    server.at(KEYS, answer(status=503, cache_control="max-age=86400", retry_after="86400"))
    pauses = []
    for _ in range(12):
        fetch_now(key_set_client)
        pauses.append(key_set_client.next_at - clocks.steady)
    assert pauses[0] <= 2  # the first call also begins to poll, which may have failed already
    assert all(0 < pause <= 30 for pause in pauses)
    assert min(pauses[-3:]) >= 15


def test_an_unchanged_document_is_not_parsed_again(
    key_set_client: KeySetClient[bytes], server: HostileServer, clocks: Clocks
):
    """RFC 9110 §13.1.2. A new value would drop the cache of verified tokens."""
    server.at(KEYS, answer(b"{}", etag='"1"'))
    fetch_now(key_set_client)
    first = key_set_client.held
    server.at(KEYS, answer(status=304, cache_control="max-age=9"))
    clocks.move(400)
    fetch_now(key_set_client)
    assert server.headers_seen[KEYS]["If-None-Match"] == '"1"'
    server.at(KEYS, answer(b"{}", etag='"2"'))
    clocks.move(400)
    fetch_now(key_set_client)
    assert first
    assert key_set_client.held
    assert key_set_client.held.value is first.value
    assert (key_set_client.held.etag, key_set_client.held.seen_at) == ('"2"', first.seen_at + 800)


def test_not_modified_without_a_document_is_a_failure(
    key_set_client: KeySetClient[bytes], server: HostileServer
):
    server.at(KEYS, answer(status=304))
    fetch_now(key_set_client)
    assert key_set_client.held is None
    assert key_set_client.problem == "The document answered 304"


@rows("etag", ["é", '"é"', "W/", "", '"' + "x" * 5_000 + '"', "\x80"])
def test_an_odd_etag_does_not_stop_it(
    key_set_client: KeySetClient[bytes], server: HostileServer, etag: str
):
    server.at(KEYS, answer(b"1", etag=etag))
    fetch_now(key_set_client)
    server.at(KEYS, answer(b"2", etag=etag))
    fetch_now(key_set_client)
    assert key_set_client.held
    assert key_set_client.held.value == b"2"
    assert key_set_client.problem is None


def test_after_24_hours_a_set_is_not_trusted(
    following: Following, server: HostileServer, clocks: Clocks
):
    server.at(KEYS, answer(status=500))
    clocks.move(24 * HOUR)
    assert following.issuer.claims(following.token())
    clocks.move(1)
    with pytest.raises(KeySetUnavailable) as refused:
        following.issuer.claims(following.token())
    assert refused.value.retry_after >= 1
    with pytest.raises(KeySetUnavailable):
        following.look_for("k1")
    assert not following.issuer.status()["trusted"]
    server.publish(key_set(key()))
    clocks.move(6)
    following.look_for("k1")
    assert following.issuer.claims(following.token())


@pytest.mark.parametrize("jump", [-400 * 24 * HOUR, -HOUR, HOUR, 400 * 24 * HOUR])
def test_a_wall_clock_that_jumps_neither_ages_the_set_nor_has_it_fetched(
    following: Following, server: HostileServer, clocks: Clocks, jump: float
):
    asked = server.asked.copy()
    clocks.wall += jump
    assert following.issuer.claims(following.token())
    following.look_for("k1")
    assert server.asked == asked
    assert following.issuer.status()["trusted"]
    server.at(KEYS, answer(status=500))
    clocks.steady += 24 * HOUR + 1
    with pytest.raises(KeySetUnavailable):
        following.issuer.claims(following.token())


def test_its_status_is_json(following: Following, server: HostileServer):
    status = json.loads(json.dumps(following.issuer.status()))
    assert status["keys"] == [{"kid": "k1", "alg": "ES256"}]
    assert status["jwks_url"] == server.url + KEYS
    assert status["seen_at"] == "2027-01-15T08:00:00+00:00"
    assert status["trusted_until"] == "2027-01-16T08:00:00+00:00"
    assert status["next_fetch_at"] == "2027-01-15T08:05:00+00:00"


def test_500_unknown_kids_at_once_cost_one_fetch(
    following: Following, server: HostileServer, clocks: Clocks
):
    async def flood() -> None:
        tokens = [key("unknown").sign({}, kid=f"unknown-{n}") for n in range(500)]
        unknown = [following.issuer.prepare_for(read_unverified(token)) for token in tokens]
        await asyncio.gather(*unknown)

    clocks.move(6)
    asyncio.run(flood())
    assert server.asked[KEYS] == 2
    asyncio.run(flood())
    assert server.asked[KEYS] == 2
    clocks.move(4.9)
    asyncio.run(flood())
    assert server.asked[KEYS] == 2
    clocks.move(0.1)
    asyncio.run(flood())
    assert server.asked[KEYS] == 3


def test_a_scheduled_fetch_is_made_even_if_the_limit_of_extra_fetches_is_reached(
    following: Following, server: HostileServer, clocks: Clocks
):
    server.at(KEYS, answer(key_set(key()), cache_control="max-age=0"))
    clocks.move(6)
    following.look_for("unknown")
    clocks.move(1)
    following.look_for("unknown")
    assert eventually(lambda: server.asked[KEYS] == 3)


def test_a_scheduled_fetch_does_not_count_as_an_extra_fetch(
    follow: Callable[..., Following], server: HostileServer
):
    """The first token of a new key may arrive just after a fetch without it."""
    following = follow()
    following.look_for()
    server.publish(key_set(key(), NEW))
    following.look_for("new")
    assert following.kids == {"k1", "new"}


def test_concurrent_callers_share_one_fetch(
    key_set_client: KeySetClient[bytes], server: HostileServer
):
    released = Event()
    server.at(KEYS, held_until(released, answer(b"{}")))

    async def ask() -> None:
        key_set_client.start()
        while not server.asked[KEYS]:
            await asyncio.sleep(0.01)
        asking = [asyncio.create_task(key_set_client.fetch_missing(bool)) for _ in range(50)]
        await asyncio.sleep(0)
        released.set()
        await asyncio.gather(*asking)

    asyncio.run(ask())
    assert server.asked[KEYS] == 1


def test_a_request_waits_3_seconds_at_most_and_the_fetch_continues(
    following: Following, server: HostileServer, clocks: Clocks
):
    released = Event()
    server.at(KEYS, held_until(released, answer(key_set(key(), NEW))))
    clocks.move(6)
    following.look_for("new")
    assert following.kids == {"k1"}
    released.set()
    assert eventually(lambda: following.kids == {"k1", "new"})


def test_a_cancelled_caller_does_not_cancel_the_fetch_of_others(
    key_set_client: KeySetClient[bytes], server: HostileServer
):
    released = Event()
    server.at(KEYS, held_until(released, answer(b"{}")))

    async def ask() -> None:
        impatient, patient = (asyncio.create_task(key_set_client.fetch_now()) for _ in range(2))
        while not server.asked[KEYS]:
            await asyncio.sleep(0.01)
        impatient.cancel()
        released.set()
        await patient

    asyncio.run(ask())
    assert key_set_client.held
    assert server.asked[KEYS] == 1


def test_a_stopped_client_fetches_no_more(
    follow: Callable[..., Following],
    key_set_client: KeySetClient[bytes],
    server: HostileServer,
    clocks: Clocks,
):
    server.at(KEYS, answer(b"{}", cache_control="max-age=0"))
    fetch_now(key_set_client)
    key_set_client.stop()
    assert not key_set_client.is_running
    assert key_set_client.held
    asked = server.asked[KEYS]
    other = server.at("/other", answer(key_set(key()), cache_control="max-age=0"))
    follow(jwks_url=other).look_for()
    clocks.move(1)
    assert eventually(lambda: server.asked["/other"] == 2)
    assert server.asked[KEYS] == asked


def test_stopping_and_starting_again_makes_no_second_fetch(
    key_set_client: KeySetClient[bytes], server: HostileServer
):
    released = Event()
    server.at(KEYS, held_until(released, answer(b"{}")))
    key_set_client.start()
    assert eventually(lambda: server.asked[KEYS] == 1)

    async def ask() -> None:
        for _ in range(5):
            key_set_client.stop()
            key_set_client.start()
        waiting = asyncio.create_task(key_set_client.fetch_now())
        await asyncio.sleep(0)
        background.run(asyncio.sleep(0)).result()  # so it waits by now
        released.set()
        await waiting

    asyncio.run(ask())
    assert server.asked[KEYS] == 1


def test_many_threads_start_it_once(follow: Callable[..., Following], server: HostileServer):
    server.at(KEYS, answer(key_set(key())))
    following = follow()
    everyone = Barrier(50)
    token = following.token()
    good = []

    def read() -> None:
        everyone.wait()
        following.issuer.start()
        assert eventually(lambda: following.issuer.status()["revocations"]["trusted"])
        good.append(following.issuer.claims(token))

    threads = [Thread(target=read) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(good) == 50
    assert server.asked[KEYS] == 1


@rows("options", [{"algorithms": []}, {"algorithms": "RS256"}])
@rows("more", [{}, {"jwks_url": "https://id.example/keys"}])
def test_invalid_algorithms_are_refused(options: dict[str, Any], more: dict[str, Any]):
    with pytest.raises(InvalidConfiguration):
        TrustedIssuer(TokenRules("https://id.example", "my-os"), **options, **more)


@rows("algorithm", ["HS256", "none", "ES256K", "rs256"])
def test_an_algorithm_without_public_keys_is_refused(algorithm: str):
    with pytest.raises(InvalidConfiguration):
        TrustedIssuer(TokenRules("https://id.example", "my-os"), algorithms=["RS256", algorithm])


def test_an_unknown_key_is_fetched_even_without_prepare_for(
    following: Following, server: HostileServer, clocks: Clocks
):
    """As where a Verifier was never attached: the next request is accepted."""
    clocks.move(6)
    server.publish(key_set(key(), key("new")))
    token = following.token(key("new"))
    assert not following.accepts(token)
    assert eventually(lambda: following.accepts(token))


def test_unknown_keys_without_prepare_for_share_the_limit_of_fetches(
    following: Following, server: HostileServer, clocks: Clocks
):
    clocks.move(6)
    for number in range(500):
        assert not following.accepts(key("unknown").sign({}, kid=f"unknown-{number}"))
    following.look_for("unknown")
    assert eventually(lambda: server.asked[KEYS] == 2)
    assert not following.accepts(key("unknown").sign({}, kid="another"))
    following.poll()
    assert server.asked[KEYS] == 2
