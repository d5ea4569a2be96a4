"""An invalid key does not affect the others; a set without a valid key is refused (RFC 7517)."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.agentos.errors import NotFetched
from issuer.agentos.key_set import SUPPORTED, read_key_set
from tests.agentos_core.keys import Key, key, key_set
from tests.rows import rows

GOOD = key("good")
EC = key("bad").jwk
RSA = key("bad", "RS256").jwk
ALL = sorted(SUPPORTED)


def without(jwk: dict[str, Any], name: str) -> dict[str, Any]:
    return {member: value for member, value in jwk.items() if member != name}


@rows(
    "bad",
    {
        "no kid": without(EC, "kid"),
        "empty kid": EC | {"kid": ""},
        "kid is a number": EC | {"kid": 5},
        "kid is a list": EC | {"kid": ["bad"]},
        "for encryption": EC | {"use": "enc"},
        "use is null": EC | {"use": None},
        "for signing": EC | {"key_ops": ["sign"]},
        "for nothing": EC | {"key_ops": []},
        "key_ops is a number": EC | {"key_ops": 5},
        "key_ops is null": EC | {"key_ops": None},
        "symmetric": EC | {"kty": "oct", "k": "c2VjcmV0"},
        "oct": {"kid": "bad", "kty": "oct", "alg": "HS256", "k": "c2VjcmV0"},
        "private EC": key("bad").private_jwk,
        "private RSA": key("bad", "RS256").private_jwk,
        "private OKP": key("bad", "EdDSA").private_jwk,
        "prime factors": without(key("bad", "RS256").private_jwk, "d"),
        "RSA with 1024 bits": key("bad", "RS256", bits=1024).jwk,
        "ES256 with P-384": key("bad", "ES384").jwk | {"alg": "ES256"},
        "P-384 with a point of P-256": EC | {"crv": "P-384"},
        "RS256 with EC": EC | {"alg": "RS256"},
        "ES256 with RSA": RSA | {"alg": "ES256"},
        "HS256 with RSA": RSA | {"alg": "HS256"},
        "none": RSA | {"alg": "none"},
        "RSA-OAEP": RSA | {"alg": "RSA-OAEP"},
        "alg is a number": RSA | {"alg": 5},
        "unknown kty": EC | {"kty": "FANCY"},
        "kty is a list": EC | {"kty": ["EC"]},
        "another curve": EC | {"crv": "secp256k1"},
        "not on the curve": EC | {"x": EC["y"]},
        "short coordinate": EC | {"x": "AAAA"},
        "x is a number": EC | {"x": 5},
        "x is null": EC | {"x": None},
        "x is no base64": EC | {"x": "é"},
        "x is no text": EC | {"x": "\ud800"},
        "no y": without(EC, "y"),
        "no n": without(RSA, "n"),
        "no e": without(RSA, "e"),
        "e is 1": RSA | {"e": "AQ"},
        "e is 2": RSA | {"e": "Ag"},
        "n is empty": RSA | {"n": ""},
        "n is an object": RSA | {"n": {}},
        "short Ed25519": key("bad", "EdDSA").jwk | {"x": "AAAA"},
        "X25519": key("bad", "EdDSA").jwk | {"crv": "X25519"},
        "text": "bad",
        "null": None,
        "list": [EC],
        "empty": {},
    },
)
def test_an_invalid_key_is_skipped_and_the_others_are_used(bad: Any):
    assert set(read_key_set(key_set(bad, GOOD), ALL)) == {"good"}
    with pytest.raises(NotFetched):
        read_key_set(key_set(bad), ALL)


@rows("alg", ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"])
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


@rows(
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
