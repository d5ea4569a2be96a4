"""Arbitrary input as a token: only the token that was signed is accepted."""

import json
from collections.abc import Iterator

import jwt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from issuer.agentos.errors import KeySetUnavailable
from tests.agentos_core.conftest import Clocks, Following
from tests.agentos_core.hostile_server import hostile_server
from tests.agentos_core.keys import encoded, key, key_set

MANY = settings(max_examples=150, deadline=None)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=3,
)
HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "zip", "cty"]),
    st.sampled_from(["ES256", "k1", "at+jwt", "none", False]) | JSON,
)
CLAIMS = st.dictionaries(st.sampled_from(["iss", "aud", "sub", "exp", "iat", "nbf", "x"]), JSON)


@pytest.fixture(scope="module")
def following() -> Iterator[Following]:
    with hostile_server() as server:
        server.publish(key_set(key()))
        following = Following(server, Clocks())
        following.look_for()
        yield following
        following.issuer.stop()


@pytest.fixture(scope="module")
def away() -> Iterator[Following]:
    """A verifier whose issuer publishes nothing."""
    with hostile_server() as server:
        away = Following(server, Clocks())
        yield away
        away.issuer.stop()


@MANY
@given(data=st.data(), flipped=st.integers(1, 255))
def test_a_token_with_one_changed_byte_is_refused(
    following: Following, data: st.DataObject, flipped: int
):
    good = following.token().encode()
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + bytes([good[at] ^ flipped]) + good[at + 1 :]
    with pytest.raises(jwt.InvalidTokenError):
        following.issuer.claims(changed.decode("latin-1"))


@MANY
@given(data=st.data(), added=st.text(min_size=1, max_size=3))
def test_a_token_with_added_or_removed_text_is_refused(
    following: Following, data: st.DataObject, added: str
):
    good = following.token()
    at = data.draw(st.integers(0, len(good)))
    for changed in (good[:at] + added + good[at:], good[:at] + good[at + 1 :]):
        if changed != good:
            with pytest.raises(jwt.InvalidTokenError):
                following.issuer.claims(changed)


@MANY
@given(st.text() | st.lists(st.text(alphabet="eyJ_-aA09=é\n"), max_size=5).map(".".join))
@example("\udcff.\udcff.\udcff")
def test_any_text_raises_only_invalid_token_error(following: Following, text: str):
    with pytest.raises(jwt.InvalidTokenError):
        following.issuer.claims(text)


@MANY
@given(header=HEADERS, claims=CLAIMS | JSON, signature=st.binary(max_size=80))
def test_any_forged_token_raises_only_invalid_token_error(
    following: Following, header: object, claims: object, signature: bytes
):
    with pytest.raises(jwt.InvalidTokenError):
        following.issuer.claims(f"{encoded(header)}.{encoded(claims)}.{encoded(signature)}")


@MANY
@given(header=HEADERS, changed=CLAIMS)
def test_any_signed_token_is_accepted_or_raises_only_invalid_token_error(
    following: Following, header: dict[str, object], changed: dict[str, object]
):
    claims = following.claims() | changed
    head = {"alg": "ES256", "kid": "k1", "typ": "at+jwt"} | header
    signed = f"{encoded(head)}.{encoded(claims)}"
    signature = jwt.get_algorithm_by_name("ES256").sign(signed.encode(), key().private)
    try:
        good = following.issuer.claims(f"{signed}.{encoded(signature)}")
    except jwt.InvalidTokenError:
        return
    assert json.dumps(good) == json.dumps(claims)


@MANY
@given(st.text())
def test_without_keys_no_token_is_accepted(away: Following, text: str):
    with pytest.raises(KeySetUnavailable):
        away.issuer.claims(text)
