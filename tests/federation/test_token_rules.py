"""Rules for claims of every token of another issuer."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.federation.public_keys import InvalidToken, required_iat, required_jti, valid_until
from tests.rows import rows

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())
)


@rows(
    ("claims", "reason"),
    [
        ({}, "iat is missing"),
        ({"iat": None}, "iat is missing"),
        ({"iat": True}, "iat is not a number"),
        ({"iat": "1"}, "iat is not a number"),
    ],
)
def test_a_token_that_must_say_when_it_was_issued_says_it(claims: dict[str, Any], reason: str):
    with pytest.raises(InvalidToken, match=reason):
        required_iat(claims)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("exp", "iat", "nbf", "jti"), VALUES)))
def test_whatever_a_signer_writes_is_a_valid_time_or_refused(claims: dict[str, Any]):
    with suppress(InvalidToken):
        assert valid_until(claims, NOW) > NOW
    with suppress(InvalidToken):
        assert required_iat(claims).tzinfo is UTC
    with suppress(InvalidToken):
        assert required_jti(claims)
