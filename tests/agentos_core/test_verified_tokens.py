"""The cache of verified tokens never accepts a token that verification would refuse."""

from collections.abc import Callable
from threading import Thread

import jwt
import pytest

from issuer.agentos.errors import KeySetUnavailable
from issuer.agentos.key_set import MAX_TOKENS, VerifiedTokens
from tests.agentos_core.conftest import NOW, Clocks, Following
from tests.agentos_core.hostile_server import KEYS, HostileServer, answer
from tests.agentos_core.keys import key, key_set
from tests.rows import rows


def test_a_verified_token_is_cached(following: Following):
    token = following.token()
    assert following.issuer.recall(token) is None
    assert not following.issuer.knows(token)
    claims = following.issuer.claims(token)
    assert following.issuer.recall(token) == following.issuer.claims(token) == claims
    assert following.issuer.knows(token)


@pytest.mark.parametrize("claims", [{"exp": NOW - 20}, {"aud": "other"}, {"iss": "https://other"}])
def test_a_refused_token_is_not_cached(following: Following, claims: dict[str, object]):
    token = following.token(**claims)
    for _ in range(2):
        with pytest.raises(jwt.InvalidTokenError):
            following.issuer.claims(token)
    assert following.issuer.recall(token) is None


def test_an_expired_token_is_refused(following: Following, clocks: Clocks):
    token = following.token()
    following.issuer.claims(token)
    clocks.move(909)
    assert following.issuer.claims(token)
    clocks.move(1)
    assert following.issuer.recall(token) is None
    with pytest.raises(jwt.ExpiredSignatureError):
        following.issuer.claims(token)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_cached_token_is_not_valid_yet_if_the_wall_clock_is_set_back(
    following: Following, clocks: Clocks, claim: str
):
    token = following.token(**{claim: NOW})
    following.issuer.claims(token)
    clocks.wall -= 11
    assert following.issuer.recall(token) is None
    with pytest.raises(jwt.ImmatureSignatureError):
        following.issuer.claims(token)


@rows("configured", ["EdDSA", "Ed25519"])
@rows("published", ["EdDSA", "Ed25519"])
@rows("signed", ["EdDSA", "Ed25519"])
def test_eddsa_and_ed25519_name_one_algorithm(
    follow: Callable[..., Following],
    server: HostileServer,
    configured: str,
    published: str,
    signed: str,
):
    """RFC 9864 §2.2: in the configuration, the key set, tokens and the feed."""
    edward = key("edward", "EdDSA")
    server.publish(key_set(edward.jwk | {"alg": published}))
    following = follow(algorithms=["RS256", configured])
    server.publish_feed(following.feed(edward, alg=signed, sub={"usr_eve": int(NOW)}))
    following.look_for()
    following.poll()
    token = edward.sign(following.claims(), alg=signed)
    assert following.issuer.claims(token)["sub"] == "usr_alice"
    with pytest.raises(jwt.InvalidTokenError, match="revoked"):
        following.issuer.claims(edward.sign(following.claims(sub="usr_eve"), alg=signed))
    forged = key("other", "EdDSA").sign(following.claims(), kid="edward", alg=signed)
    with pytest.raises(jwt.InvalidSignatureError):
        following.issuer.claims(forged)


@pytest.mark.parametrize("left", [key("new"), key("k1", "EdDSA")], ids=["no kid", "same kid"])
def test_a_token_is_dropped_with_its_key(
    follow: Callable[..., Following], server: HostileServer, clocks: Clocks, left: object
):
    following = follow(algorithms=["ES256", "EdDSA"])
    following.look_for()
    token = following.token()
    following.issuer.claims(token)
    server.publish(key_set(left))
    clocks.move(300)
    following.look_for("unknown")
    assert following.issuer.recall(token) is None
    with pytest.raises(jwt.InvalidTokenError):
        following.issuer.claims(token)


def test_a_cached_token_is_not_accepted_while_the_key_set_is_not_trusted(
    following: Following, server: HostileServer, clocks: Clocks
):
    token = following.token(exp=NOW + 999_999)
    following.issuer.claims(token)
    server.at(KEYS, answer(status=500))
    clocks.move(24 * 3_600 + 1)
    assert following.issuer.recall(token) is None
    assert not following.issuer.knows(token)
    with pytest.raises(KeySetUnavailable):
        following.issuer.claims(token)


def test_a_fetch_of_an_unchanged_key_set_keeps_the_cache(
    following: Following, server: HostileServer, clocks: Clocks
):
    token = following.token()
    following.issuer.claims(token)
    clocks.move(6)
    following.look_for("unknown")
    assert server.asked[KEYS] == 2
    assert following.issuer.recall(token)


def test_changing_returned_claims_does_not_change_the_cache(following: Following):
    token = following.token(scopes=["agents:run"])
    for _ in range(3):
        claims = following.issuer.claims(token)
        assert claims == following.claims(scopes=["agents:run"])
        claims["scopes"].append("agent_os:admin")
        claims["sub"] = "usr_mallory"


def test_another_token_with_the_same_claims_is_verified_itself(following: Following):
    token = following.token()
    following.issuer.claims(token)
    signed, _ = token.rsplit(".", 1)
    with pytest.raises(jwt.InvalidSignatureError):
        following.issuer.claims(f"{signed}.{'A' * 86}")


def test_4096_tokens_are_cached_and_the_oldest_are_dropped():
    tokens = VerifiedTokens()
    for number in range(MAX_TOKENS + 10):
        tokens.add(str(number), "k1", {"n": number}, starts=0, ends=2)
    cached = [number for number in range(MAX_TOKENS + 10) if tokens.has(str(number), 1)]
    assert cached == list(range(10, MAX_TOKENS + 10))
    assert MAX_TOKENS == 4096


def test_the_cache_stays_correct_and_bounded_with_many_threads():
    tokens = VerifiedTokens()
    wrong: list[object] = []

    def work(name: str) -> None:
        for number in range(2_000):
            token = f"{name} {number}"
            tokens.add(token, name, {"of": token}, starts=0, ends=2)
            if tokens.find(token, 1) not in ((name, {"of": token}), None):
                wrong.append(token)

    threads = [Thread(target=work, args=[str(name)]) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cached = sum(tokens.has(f"{name} {number}", 1) for name in range(8) for number in range(2_000))
    assert not wrong
    assert cached == MAX_TOKENS
