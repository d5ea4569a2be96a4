"""Polling a revocation feed: revocations, invalid feeds and outages."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from issuer.agentos import revocation_feed
from issuer.agentos.errors import InvalidConfiguration, KeySetUnavailable, RevocationsUnavailable
from issuer.agentos.issuer_token_verifier import TrustedIssuer
from issuer.agentos.rules import TokenRules
from tests.agentos_core.conftest import AUDIENCE, NOW, Clocks, Following, eventually
from tests.agentos_core.hostile_server import (
    FEED,
    KEYS,
    STANDARD,
    Behaviour,
    HostileServer,
    answer,
    break_off,
    endless,
    metadata,
    reset,
)
from tests.agentos_core.keys import encoded, key, key_set
from tests.rows import rows

T = int(NOW)
OTHER = key("k2")

Follow = Callable[..., Following]


@contextmanager
def followed(server: HostileServer, clocks: Clocks) -> Iterator[Following]:
    """A verifier with a key set of two keys and a feed that revokes the `jti` `gone`."""
    server.publish(key_set(key(), OTHER))
    following = Following(server, clocks)
    server.publish_feed(following.feed(jti={"gone": T + 900}))
    following.look_for()
    try:
        yield following
    finally:
        following.issuer.stop()


@pytest.fixture
def following(server: HostileServer, clocks: Clocks) -> Iterator[Following]:
    with followed(server, clocks) as following:
        yield following


def entries(following: Following) -> dict[str, int]:
    """The number of entries of each kind, without empty kinds."""
    return {member: count for member, count in following.revocations["entries"].items() if count}


REVOKED = [
    ({"jti": {"t1": T + 900}}, {"jti": "t1"}, {"jti": "t2"}),
    ({"sub": {"usr_bob": T}}, {"sub": "usr_bob"}, {"sub": "usr_bob", "iat": T + 1}),
    ({"sub": {"usr_bob": T}}, {"sub": "usr_bob", "iat": T - 5}, {"sub": "usr_bobby"}),
    ({"sub": {"usr_bob": T}}, {"sub": "usr_bob", "iat": T + 0.9}, {"sub": "USR_BOB"}),
    ({"sub": {"usr_bob": T}}, {"sub": "usr_bob", "iat": ...}, {"iat": ...}),
    ({"client_id": {"svc": T}}, {"client_id": "svc"}, {"client_id": "svc", "iat": T + 1}),
    ({"client_id": {"svc": T}}, {"client_id": "svc", "iat": ...}, {"client_id": ["svc"]}),
    ({"client_id": {"usr_bob": T}}, {"client_id": "usr_bob"}, {"sub": "usr_bob"}),
    ({"sub": {"svc": T}}, {"sub": "svc"}, {"client_id": "svc"}),
    ({"sid": {"family_1": T}}, {"sid": "family_1"}, {"sid": "family_2"}),
    ({"sid": {"family_1": T}}, {"sid": "family_1", "iat": T - 5}, {"sid": ["family_1"]}),
    ({"sid": {"family_1": T}}, {"sid": "family_1", "iat": ...}, {"sid": "family_1", "iat": T + 1}),
    ({"jti": {"t1": T + 900}}, {"jti": "t1", "iat": T + 5}, {"jti": 5}),
    ({"aud": {AUDIENCE: T}}, {}, {"iat": T + 1}),
    ({"aud": {AUDIENCE: T}}, {"aud": [AUDIENCE]}, {"aud": [AUDIENCE], "iat": T + 1}),
    ({"aud": {"other": T}}, {"aud": [AUDIENCE, "other"]}, {"aud": [AUDIENCE, "another"]}),
    ({"aud": {AUDIENCE: T}}, {"iat": ...}, {"iat": T + 1, "sub": "usr_bob"}),
    ({"aud": {"other": T, "usr_bob": T, AUDIENCE: T - 5}}, {"iat": T - 5}, {"sub": "usr_bob"}),
]


@rows(("feed", "revoked", "good"), REVOKED)
def test_a_revoked_token_is_refused_and_others_are_not(
    server: HostileServer, feed: dict[str, Any], revoked: dict[str, Any], good: dict[str, Any]
):
    """Also one that was verified before."""
    with followed(server, Clocks()) as following:
        revoked_token, good_token = following.token(**revoked), following.token(**good)
        assert following.accepts(revoked_token)
        following.receive(**feed)
        for _ in range(2):
            assert not following.accepts(revoked_token)
            assert following.accepts(good_token)
        assert not following.accepts(following.token(**revoked, more="another token, never seen"))


def test_a_revoked_key_is_refused_though_the_key_set_still_has_it(
    following: Following, server: HostileServer
):
    """Whatever `max-age` the key set has."""
    token, good = following.token(OTHER), following.token()
    assert following.accepts(token)
    following.receive(kid=["k2"])
    assert following.kids == {"k1", "k2"}
    assert not following.accepts(token)
    assert not following.accepts(following.token(OTHER, jti="new"))
    assert following.accepts(good)
    assert server.asked[KEYS] == 1


def as_is(text: str) -> Callable[[Following], bytes]:
    return lambda _: text.encode()


def with_header(feed: str, **header: Any) -> bytes:
    _, claims, signature = feed.split(".")
    return f"{encoded(header)}.{claims}.{signature}".encode()


def saying(**claims: Any) -> Callable[[Following], bytes]:
    return lambda following: following.feed(**{"jti": {"forged": T + 900}, **claims}).encode()


FORGED: dict[str, tuple[Callable[[Following], bytes], str]] = {
    "another signature": (
        lambda f: f.feed().rpartition(".")[0].encode() + b"." + b"A" * 86,
        "invalid signature",
    ),
    "no signature": (
        lambda f: f.feed().rpartition(".")[0].encode() + b".",
        "invalid signature",
    ),
    "another key of the same kid": (
        lambda f: key("k1", "EdDSA").sign(b"{}", typ="revocations+jwt").encode(),
        "not signed by a key of the issuer",
    ),
    "an unknown key": (lambda f: f.feed(key("k9")).encode(), "not signed by a key of the issuer"),
    "alg none": (
        lambda f: with_header(f.feed(), alg="none", kid="k1", typ="revocations+jwt"),
        "not signed by a key of the issuer",
    ),
    "alg HS256": (
        lambda f: with_header(f.feed(), alg="HS256", kid="k1", typ="revocations+jwt"),
        "not signed by a key of the issuer",
    ),
    "no kid": (
        lambda f: with_header(f.feed(), alg="ES256", typ="revocations+jwt"),
        "not signed by a key of the issuer",
    ),
    "an access token": (lambda f: f.token().encode(), "does not have the typ"),
    "no typ": (saying(typ=...), "does not have the typ"),
    "an extension": (saying(crit=["exp"]), "is not a JWT"),
    "another issuer": (saying(iss="https://other.example"), "from another issuer"),
    "no issuer": (saying(iss=...), "from another issuer"),
    "older": (saying(iat=T - 1), "older than the one held"),
    "of the future": (saying(iat=T + 301, exp=T + 600), "was issued in the future"),
    "expired": (saying(iat=T, exp=T), "within a day after"),
    "ends before it begins": (saying(exp=T - 700), "within a day after"),
    "for ever": (saying(exp=T + 86_401), "within a day"),
    "a revoked key's own": (saying(kid=["k1"]), "signed by a key that it lists as revoked"),
    "no iat": (saying(iat=...), '"iat"'),
    "iat of text": (saying(iat=str(T)), '"iat"'),
    "iat true": (saying(iat=True), '"iat"'),
    "iat with a fraction": (saying(iat=T + 0.5), "whole seconds"),
    "exp of NaN": (saying(exp=float("nan")), "whole seconds"),
    "exp beyond all": (saying(exp=10**400), "whole seconds"),
    "no jti": (saying(jti=...), 'no object "jti"'),
    "jti null": (saying(jti=None), 'no object "jti"'),
    "jti in a list": (saying(jti=["a"]), 'no object "jti"'),
    "a jti until text": (saying(jti={"a": "5"}), 'entry in "jti"'),
    "a jti until null": (saying(jti={"a": T, "b": None}), 'entry in "jti"'),
    "a jti until true": (saying(jti={"a": True}), 'entry in "jti"'),
    "a jti until before 1970": (saying(jti={"a": -1}), 'entry in "jti"'),
    "a jti until the year 10000": (saying(jti={"a": 253_402_300_800}), 'entry in "jti"'),
    "a jti until a fraction": (saying(jti={"a": 5.5}), "whole seconds"),
    "an empty jti": (saying(jti={"": T}), 'entry in "jti"'),
    "a long jti": (saying(jti={"a" * 256: T}), 'entry in "jti"'),
    "no revoked": (saying(revoked=...), 'no object "revoked"'),
    "revoked in a list": (saying(revoked=[]), 'no object "revoked"'),
    "nothing in revoked": (saying(revoked={}), 'no object "jti"'),
    "no sid": (saying(sid=...), 'no object "sid"'),
    "a sid until text": (saying(sid={"a": "5"}), 'entry in "sid"'),
    "sub null": (saying(sub=None), 'no object "sub"'),
    "a sub until a list": (saying(sub={"a": [T]}), 'entry in "sub"'),
    "client_id of text": (saying(client_id="a"), 'no object "client_id"'),
    "a client until infinity": (saying(client_id={"a": float("inf")}), "whole seconds"),
    "aud null": (saying(aud=None), 'no object "aud"'),
    "aud in a list": (saying(aud=["my-os"]), 'no object "aud"'),
    "an audience until text": (saying(aud={"my-os": "5"}), 'entry in "aud"'),
    "a long audience": (saying(aud={"a" * 256: T}), 'entry in "aud"'),
    "kid of text": (saying(kid="k2"), 'no array "kid"'),
    "kid in an object": (saying(kid={"k2": T}), 'no array "kid"'),
    "a kid of a number": (saying(kid=["k2", 5]), 'entry in "kid"'),
    "an empty kid": (saying(kid=[""]), 'entry in "kid"'),
    "too many kids": (saying(kid=["k"] * 10_001), 'no array "kid"'),
    "no object": (lambda _: key().sign([1], typ="revocations+jwt").encode(), "not a JSON object"),
    "deep": (lambda _: key().sign(b"[" * 100_000, typ="revocations+jwt").encode(), "not JSON"),
    "no JSON": (lambda _: key().sign(b"\xff", typ="revocations+jwt").encode(), "not JSON"),
    "nothing": (as_is(""), "is not a JWT"),
    "one part": (as_is("abc"), "is not a JWT"),
    "two parts": (as_is("e30.e30"), "does not have the typ"),
    "five parts": (as_is("e30.e30.e30.e30.e30"), "does not have the typ"),
    "text": (as_is("é.é.é"), "is not a JWT"),
    "a long header": (as_is("e" * 5_000 + ".e30.e30"), "is not a JWT"),
    "a key set": (lambda _: key_set(key()), "is not a JWT"),
}


@rows(("make", "problem"), FORGED)
def test_a_forged_or_invalid_feed_is_refused_and_the_last_valid_one_kept(
    server: HostileServer,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[Following], bytes],
    problem: str,
):
    with followed(server, Clocks()) as following:
        server.publish_feed(make(following))
        for _ in range(3):
            following.poll()
        assert problem in following.revocations["problem"]
        assert caplog.text.count(following.revocations["problem"]) == 1
        assert entries(following) == {"jti": 1}
        assert not following.accepts(following.token(jti="gone"))
        assert following.accepts(following.token(jti="forged"))
        assert following.accepts(following.token(OTHER))
        following.clocks.move(1)
        following.receive(jti={"t1": T + 900})
        assert following.revocations["problem"] is None
        assert not following.accepts(following.token(jti="t1"))


@rows(
    "behaviour",
    [
        reset,
        break_off,
        endless,
        answer(b"x" * (revocation_feed.MAX_BYTES + 1), content_type="application/jwt"),
        answer(status=500),
        answer(status=304),
        answer(status=307, location="http://id.example/feed"),
        answer(b"e30.e30.e30", content_type="text/html"),
        answer(b"e30.e30.e30", content_encoding="gzip"),
    ],
)
def test_a_failed_fetch_changes_nothing(server: HostileServer, behaviour: Behaviour):
    with followed(server, Clocks()) as following:
        server.at(FEED, behaviour)
        following.clocks.move(6)
        following.poll()
        assert following.revocations["problem"].startswith(f"The revocation feed of {server.url} ")
        assert not following.accepts(following.token(jti="gone"))
        assert following.accepts(following.token())


def test_a_feed_with_100_000_entries_is_accepted(following: Following):
    many = {f"{number:032x}": T + 900 for number in range(100_000)}
    following.receive(jti=many)
    assert following.revocations["entries"]["jti"] == 100_001
    assert not following.accepts(following.token(jti=f"{99_999:032x}"))


def test_two_feeds_of_the_same_second_are_merged(following: Following):
    following.receive(jti={"t1": T + 900}, kid=["k2"])
    following.receive(jti={"t2": T + 900}, sub={"usr_bob": T})
    for claims in ({"jti": "t1"}, {"jti": "t2"}, {"jti": "gone"}, {"sub": "usr_bob"}):
        assert not following.accepts(following.token(**claims))
    assert not following.accepts(following.token(OTHER))


def test_a_feed_signed_by_a_key_that_was_revoked_before_is_refused(
    following: Following, clocks: Clocks
):
    """However new it is: a stolen key cannot undo revocations."""
    following.receive(OTHER, kid=["k1"])
    clocks.move(5)
    following.receive(key(), jti={"t1": T + 900})
    assert "is signed by a revoked key" in following.revocations["problem"]
    assert not following.accepts(following.token(key()))
    assert following.accepts(following.token(OTHER, jti="t1"))


def test_an_entry_missing_in_a_later_feed_stays_until_all_its_tokens_expire(
    following: Following, clocks: Clocks
):
    whose = {"sub": {"usr_bob": T}, "client_id": {"svc": T}, "aud": {AUDIENCE: T - 5}}
    following.receive(jti={"t1": T + 900}, kid=["k2"], **whose)
    long_lived = following.token(sub="usr_bob", exp=T + 86_400)
    of_the_last = following.token(iat=T - 5, exp=T + 86_400)
    clocks.move(1_209)
    following.receive()
    assert entries(following) == {"jti": 2, "sub": 1, "client_id": 1, "aud": 1, "kid": 1}
    clocks.move(2)
    following.receive()
    assert entries(following) == {"sub": 1, "client_id": 1, "aud": 1, "kid": 1}
    clocks.move(86_400 - 1_211)
    following.receive(aud={})
    assert not following.accepts(long_lived)
    assert not following.accepts(of_the_last)
    clocks.move(311)
    following.receive()
    assert entries(following) == {"kid": 1}


def test_a_later_feed_cannot_undo_a_revocation_with_an_earlier_time(
    following: Following, clocks: Clocks
):
    following.receive(jti={"t1": T + 900}, sub={"usr_bob": T})
    token = following.token(sub="usr_bob")
    clocks.move(5)
    following.receive(jti={"t1": T - 900}, sub={"usr_bob": T - 100})
    assert not following.accepts(token)
    clocks.move(500)
    following.receive()
    assert not following.accepts(following.token(jti="t1", exp=T + 900))


def test_tokens_are_accepted_for_15_minutes_while_the_feed_is_unavailable(
    following: Following, server: HostileServer, clocks: Clocks
):
    """15 minutes: the default lifetime of a token."""
    token = following.token(exp=T + 9_000)
    assert following.accepts(token)
    server.at(FEED, answer(status=503))
    clocks.move(900)
    assert following.accepts(token)
    following.look_for("k1")
    clocks.move(1)
    assert not following.issuer.knows(token)
    for refused in (lambda: following.accepts(token), lambda: following.look_for("k1")):
        with pytest.raises(RevocationsUnavailable) as unavailable:
            refused()
        assert 1 <= unavailable.value.retry_after <= 5
    assert not following.revocations["trusted"]
    following.receive()
    assert following.accepts(token)
    assert not following.accepts(following.token(jti="gone"))


@pytest.mark.parametrize(("limit", "holds"), [(30, 30), (3_600, 3_600)])
def test_feed_away_limit_sets_for_how_long(
    follow: Follow, server: HostileServer, clocks: Clocks, limit: float, holds: float
):
    following = follow(feed_away_limit=limit)
    server.publish_feed(following.feed())
    following.look_for()
    server.at(FEED, answer(status=503))
    clocks.move(holds)
    assert following.accepts(following.token())
    clocks.move(1)
    with pytest.raises(RevocationsUnavailable):
        following.accepts(following.token())


def test_without_a_limit_tokens_are_accepted_as_long_as_the_feed_is_unavailable(
    follow: Follow, server: HostileServer, clocks: Clocks
):
    """Also at a start; known revocations still apply."""
    following = follow(feed_away_limit=None)
    server.publish_feed(b"", status=503)
    following.look_for()
    assert following.accepts(following.token(jti="t1"))
    following.receive(jti={"t1": T + 80_000})
    server.at(FEED, answer(status=503))
    clocks.move(70_000)
    assert following.accepts(following.token())
    assert not following.accepts(following.token(jti="t1"))


@rows("limit", [0, 29, -1, float("nan")])
def test_a_limit_that_one_missed_poll_would_exceed_is_refused(limit: float):
    with pytest.raises(InvalidConfiguration):
        TrustedIssuer(TokenRules("https://id.example", "my-os"), feed_away_limit=limit)


@pytest.mark.parametrize("etag", ['"1"', None])
def test_an_expired_feed_is_not_current_even_if_it_is_still_served(
    following: Following, server: HostileServer, clocks: Clocks, etag: str | None
):
    """A server that replays an old feed hides later revocations."""
    server.publish_feed(following.feed(jti={"t1": T + 900}), etag=etag)
    following.poll()
    if etag:
        server.at(FEED, answer(status=304))
    clocks.move(609)
    following.poll()
    assert following.revocations["problem"] is None
    clocks.move(1)
    following.poll()
    assert following.revocations["problem"].endswith("has expired")
    following.poll()
    assert "If-None-Match" not in server.headers_seen[FEED]
    clocks.move(900)
    with pytest.raises(RevocationsUnavailable):
        following.accepts(following.token())
    following.receive()
    assert following.accepts(following.token())


def test_without_a_first_feed_no_token_is_accepted(
    follow: Follow, server: HostileServer, clocks: Clocks
):
    """The metadata names a feed, so its content must be known."""
    following = follow()
    server.publish_feed(following.feed(jti={"t1": T + 900}))
    good = server.behaviours[FEED]
    server.at(FEED, answer(status=500))
    with pytest.raises(RevocationsUnavailable):
        following.look_for()
    with pytest.raises(RevocationsUnavailable):
        following.accepts(following.token())
    server.at(FEED, good)
    clocks.move(6)
    following.look_for()
    assert following.accepts(following.token())
    assert not following.accepts(following.token(jti="t1"))


def test_tokens_of_an_issuer_without_a_feed_are_accepted(
    follow: Follow, server: HostileServer, clocks: Clocks
):
    following = follow()
    following.look_for()
    assert following.accepts(following.token())
    assert following.revocations["entries"] is None
    assert following.revocations["problem"] is None
    server.at(STANDARD, answer(status=500))
    clocks.move(10_000)
    following.poll()
    assert following.accepts(following.token())


def test_a_feed_that_is_named_later_is_polled(
    follow: Follow, server: HostileServer, clocks: Clocks
):
    following = follow()
    following.look_for()
    following.receive(jti={"t1": T + 900})
    assert not following.accepts(following.token(jti="t1"))


def test_a_feed_that_is_no_longer_named_is_still_polled(
    following: Following, server: HostileServer, clocks: Clocks
):
    server.at(STANDARD, metadata(server.url, jwks_uri=server.url + KEYS))
    clocks.move(3_601)
    server.at(FEED, answer(following.feed(jti={"t1": int(clocks.wall) + 900}).encode()))
    following.poll()
    assert not following.accepts(following.token(jti="t1"))
    server.at(FEED, answer(status=404))
    following.poll()
    assert following.revocations["problem"]
    clocks.move(901)
    with pytest.raises(RevocationsUnavailable):
        following.accepts(following.token())


@rows("named", [5, ["/feed"], "/feed", "http://id.example/feed", "file:///feed"])
def test_an_invalid_feed_url_does_not_count_as_no_feed(
    follow: Follow, server: HostileServer, named: Any
):
    server.at(STANDARD, metadata(server.url, jwks_uri=server.url + KEYS, revocations_uri=named))
    with pytest.raises(RevocationsUnavailable):
        follow().look_for()


def test_revocations_false_polls_no_feed(follow: Follow, server: HostileServer):
    following = follow(revocations=False)
    server.publish_feed(following.feed(jti={"t1": T + 900}))
    following.look_for()
    assert following.accepts(following.token(jti="t1"))
    assert following.revocations is None
    assert FEED not in server.asked


def test_revocations_can_be_the_url_of_the_feed(follow: Follow, server: HostileServer):
    following = follow(revocations=server.url + "/mine?tenant=a%26b&empty=")
    server.at("/mine", answer(following.feed(jti={"t1": T + 900}).encode()))
    following.look_for()
    assert not following.accepts(following.token(jti="t1"))
    assert server.queries_seen["/mine"] == "tenant=a%26b&empty=&alg=ES256"


def test_an_unsafe_feed_url_is_refused():
    with pytest.raises(InvalidConfiguration):
        TrustedIssuer(TokenRules("https://id.example", "a"), revocations="http://id.example/feed")


def test_with_a_configured_key_set_the_feed_is_the_one_in_the_metadata(
    follow: Follow, server: HostileServer
):
    following = follow(jwks_url=server.url + KEYS)
    server.publish_feed(following.feed(jti={"t1": T + 900}))
    following.look_for()
    assert not following.accepts(following.token(jti="t1"))
    server.at(FEED, answer(status=500))
    late = follow(jwks_url=server.url + KEYS)
    with pytest.raises(RevocationsUnavailable):
        late.look_for()


def test_with_a_configured_key_set_metadata_is_optional(follow: Follow, server: HostileServer):
    """An issuer may publish nothing but a key set."""
    server.at(STANDARD, answer(status=500))
    following = follow(jwks_url=server.url + KEYS)
    following.look_for()
    assert following.accepts(following.token())


def test_it_requests_an_algorithm_that_it_can_verify(follow: Follow, server: HostileServer):
    """The issuer may have several, and sign with its first."""
    following = follow(algorithms=["RS256", "ES256"])
    server.publish_feed(following.feed())
    following.look_for()
    assert server.queries_seen[FEED] == "alg=ES256"


def test_an_algorithm_that_the_issuer_no_longer_uses_is_requested_once(
    follow: Follow, server: HostileServer
):
    """Its keys are published until their last token expires."""
    server.publish(key_set(key("old", "EdDSA"), key()))
    following = follow(algorithms=["EdDSA", "ES256"])
    server.publish_feed(following.feed(jti={"t1": T + 900}))
    good = server.behaviours[FEED]
    server.at(FEED, lambda r: (good if r.path.endswith("=ES256") else answer(status=400))(r))
    following.issuer.start()
    for _ in range(2):
        following.poll()
    assert following.revocations["problem"] is None
    assert not following.accepts(following.token(jti="t1"))


def test_a_feed_signed_by_a_new_key_is_accepted_at_once(
    following: Following, server: HostileServer, clocks: Clocks
):
    server.publish(key_set(key(), key("new")))
    clocks.move(6)
    following.receive(key("new"), jti={"t1": T + 900})
    assert following.revocations["problem"] is None
    assert not following.accepts(following.token(jti="t1"))


@rows(
    ("cache_control", "seconds"),
    [("max-age=0", 1), ("max-age=1", 1), ("max-age=3", 3), ("max-age=300", 5), (None, 5)],
)
def test_it_is_polled_every_1_to_5_seconds(
    server: HostileServer, cache_control: str | None, seconds: float
):
    with followed(server, Clocks()) as following:
        server.publish_feed(following.feed(), cache_control=cache_control)
        following.poll()
        assert following.issuer.feed
        assert following.issuer.feed.client.next_at - following.clocks.steady == seconds
        asked = server.asked[FEED]
        following.clocks.move(seconds)
        assert eventually(lambda: server.asked[FEED] > asked)


def test_after_failures_it_tries_again_within_5_seconds(
    following: Following, server: HostileServer, clocks: Clocks
):
    server.at(FEED, answer(status=503, retry_after="86400"))
    assert following.issuer.feed
    for _ in range(8):
        following.poll()
        assert 0 < following.issuer.feed.client.next_at - clocks.steady <= 5


def test_an_unchanged_feed_is_not_parsed_again(following: Following, server: HostileServer):
    server.publish_feed(following.feed(), etag='"1"')
    following.poll()
    server.at(FEED, answer(status=304))
    following.poll()
    assert server.headers_seen[FEED]["If-None-Match"] == '"1"'
    assert following.revocations["problem"] is None


def test_a_revocation_keeps_other_tokens_in_the_cache(following: Following):
    token = following.token()
    following.accepts(token)
    following.receive(jti={"t1": T + 900})
    assert following.issuer.knows(token)


def test_its_status_is_json(following: Following, server: HostileServer):
    following.receive(jti={"t1": T + 900}, sub={"usr_bob": T})
    status = json.loads(json.dumps(following.revocations))
    assert status == {
        "url": server.url + FEED,
        "entries": {"jti": 2, "sub": 1, "client_id": 0, "sid": 0, "aud": 0, "kid": 0},
        "issued_at": "2027-01-15T08:00:00+00:00",
        "trusted": True,
        "seen_at": "2027-01-15T08:00:00+00:00",
        "trusted_until": "2027-01-15T08:15:00+00:00",
        "next_fetch_at": "2027-01-15T08:00:05+00:00",
        "problem": None,
    }


def test_without_a_key_set_the_error_names_the_key_set(follow: Follow, server: HostileServer):
    server.publish_feed(b"")
    server.at(KEYS, answer(status=500))
    with pytest.raises(KeySetUnavailable, match="The key set of"):
        follow().look_for()
