"""An invalid key does not affect the others; a set without a valid key is refused (RFC 7517)."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.agentos.errors import NotFetched
from issuer.agentos.key_set import SUPPORTED, read_key_set
from tests.agentos_core.keys import Key, key, key_set

GOOD = key("good")
EC = key("bad").jwk
RSA = key("bad", "RS256").jwk
ALL = sorted(SUPPORTED)


def without(jwk: dict[str, Any], name: str) -> dict[str, Any]:
    return {member: value for member, value in jwk.items() if member != name}


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(without(EC, "kid"), id="no kid"),
        pytest.param(EC | {"kid": ""}, id="empty kid"),
        pytest.param(EC | {"kid": 5}, id="kid is a number"),
        pytest.param(EC | {"kid": ["bad"]}, id="kid is a list"),
        pytest.param(EC | {"use": "enc"}, id="for encryption"),
        pytest.param(EC | {"use": None}, id="use is null"),
        pytest.param(EC | {"key_ops": ["sign"]}, id="for signing"),
        pytest.param(EC | {"key_ops": []}, id="for nothing"),
        pytest.param(EC | {"key_ops": 5}, id="key_ops is a number"),
        pytest.param(EC | {"key_ops": None}, id="key_ops is null"),
        pytest.param(EC | {"kty": "oct", "k": "c2VjcmV0"}, id="symmetric"),
        pytest.param({"kid": "bad", "kty": "oct", "alg": "HS256", "k": "c2VjcmV0"}, id="oct"),
        pytest.param(key("bad").private_jwk, id="private EC"),
        pytest.param(key("bad", "RS256").private_jwk, id="private RSA"),
        pytest.param(key("bad", "EdDSA").private_jwk, id="private OKP"),
        pytest.param(without(key("bad", "RS256").private_jwk, "d"), id="prime factors"),
        pytest.param(key("bad", "RS256", bits=1024).jwk, id="RSA with 1024 bits"),
        pytest.param(key("bad", "ES384").jwk | {"alg": "ES256"}, id="ES256 with P-384"),
        pytest.param(EC | {"crv": "P-384"}, id="P-384 with a point of P-256"),
        pytest.param(EC | {"alg": "RS256"}, id="RS256 with EC"),
        pytest.param(RSA | {"alg": "ES256"}, id="ES256 with RSA"),
        pytest.param(RSA | {"alg": "HS256"}, id="HS256 with RSA"),
        pytest.param(RSA | {"alg": "none"}, id="none"),
        pytest.param(RSA | {"alg": "RSA-OAEP"}, id="RSA-OAEP"),
        pytest.param(RSA | {"alg": 5}, id="alg is a number"),
        pytest.param(EC | {"kty": "FANCY"}, id="unknown kty"),
        pytest.param(EC | {"kty": ["EC"]}, id="kty is a list"),
        pytest.param(EC | {"crv": "secp256k1"}, id="another curve"),
        pytest.param(EC | {"x": EC["y"]}, id="not on the curve"),
        pytest.param(EC | {"x": "AAAA"}, id="short coordinate"),
        pytest.param(EC | {"x": 5}, id="x is a number"),
        pytest.param(EC | {"x": None}, id="x is null"),
        pytest.param(EC | {"x": "é"}, id="x is no base64"),
        pytest.param(EC | {"x": "\ud800"}, id="x is no text"),
        pytest.param(without(EC, "y"), id="no y"),
        pytest.param(without(RSA, "n"), id="no n"),
        pytest.param(without(RSA, "e"), id="no e"),
        pytest.param(RSA | {"e": "AQ"}, id="e is 1"),
        pytest.param(RSA | {"e": "Ag"}, id="e is 2"),
        pytest.param(RSA | {"n": ""}, id="n is empty"),
        pytest.param(RSA | {"n": {}}, id="n is an object"),
        pytest.param(key("bad", "EdDSA").jwk | {"x": "AAAA"}, id="short Ed25519"),
        pytest.param(key("bad", "EdDSA").jwk | {"crv": "X25519"}, id="X25519"),
        pytest.param("bad", id="text"),
        pytest.param(None, id="null"),
        pytest.param([EC], id="list"),
        pytest.param({}, id="empty"),
    ],
)
def test_an_invalid_key_is_skipped_and_the_others_are_used(bad: Any):
    assert set(read_key_set(key_set(bad, GOOD), ALL)) == {"good"}
    with pytest.raises(NotFetched):
        read_key_set(key_set(bad), ALL)


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_a_key_verifies_the_algorithm_that_it_names(alg: str):
    (only,) = read_key_set(key_set(key("k1", alg)), ALL).values()
    assert (only.kid, only.alg) == ("k1", alg)


def test_a_key_without_alg_verifies_the_first_configured_algorithm_of_its_type():
    """RFC 8725 §3.1: one algorithm for a key, whatever the token says."""
    (only,) = read_key_set(key_set(without(RSA, "alg")), ["ES256", "PS256", "RS256"]).values()
    assert only.alg == "PS256"


def test_a_key_for_an_algorithm_that_is_not_configured_is_skipped():
    body = key_set(key("rsa", "RS256"), GOOD)
    assert set(read_key_set(body, ["ES256"])) == {"good"}
    assert set(read_key_set(body, ["RS256"])) == {"rsa"}


def test_of_two_keys_with_the_same_kid_the_first_is_used():
    first, second = key("same", "ES256"), key("same", "EdDSA")
    keys = read_key_set(key_set(first, second), ALL)
    assert [each.alg for each in keys.values()] == ["ES256"]


def test_a_set_is_read_up_to_its_hundredth_key():
    entries: list[Key | dict[str, Any]] = [EC | {"kid": f"k{number}"} for number in range(150)]
    assert len(read_key_set(key_set(*entries), ALL)) == 100


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"keys"',
        b"{}",
        b'{"keys": {}}',
        b'{"keys": null}',
        b'{"keys": []}',
        b'{"keys": [',
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"keys": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"keys": [' + b"1" * 10_000 + b"]}",
        GOOD.sign({}).encode(),
    ],
    ids=lambda body: body[:20].decode("latin-1"),
)
def test_a_document_that_is_not_a_key_set_is_refused(body: bytes):
    with pytest.raises(NotFetched):
        read_key_set(body, ALL)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.sampled_from([EC, RSA, key("bad", "EdDSA").jwk]), st.data())
def test_no_content_of_a_key_affects_the_others(good: dict[str, Any], data: st.DataObject):
    names = st.sampled_from(sorted({*good, "key_ops", "x5c", "d", "oth"}))
    changed = good | data.draw(st.dictionaries(names, JSON, min_size=1))
    body = json.dumps({"keys": [changed, GOOD.jwk]}).encode()
    assert "good" in read_key_set(body, ALL)
