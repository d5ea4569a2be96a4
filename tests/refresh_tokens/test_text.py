"""How refresh tokens are written, and what is kept of them."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from issuer.refresh_tokens import RefreshTokenMaker


def maker(key: bytes = b"k" * 32, seed: int = 1) -> RefreshTokenMaker:
    return RefreshTokenMaker(key, Random(seed))


def test_a_successor_is_of_the_same_family_and_otherwise_another():
    ours = maker()
    first = ours.first()
    second = ours.successor(first, b"salt")
    assert ours.handle(first) == ours.handle(second)
    assert ours.digest(first) != ours.digest(second)
    assert len(first) == len(second) == 78
    assert first[:27] == second[:27]
    assert first[27:70] != second[27:70]


def test_the_successor_is_the_same_again_for_the_same_salt_only():
    ours = maker()
    first = ours.first()
    assert ours.successor(first, b"one") == ours.successor(first, b"one")
    assert ours.successor(first, b"one") != ours.successor(first, b"two")
    assert ours.successor(first, b"one") != ours.successor(ours.first(), b"one")


def test_nobody_without_the_key_makes_a_digest_or_a_successor():
    ours, theirs = maker(), maker(key=b"x" * 32)
    first = ours.first()
    assert ours.digest(first) != theirs.digest(first)
    assert ours.handle(first) != theirs.handle(first)
    assert ours.successor(first, b"salt") != theirs.successor(first, b"salt")


@given(position=st.integers(0, 77), character=st.characters())
def test_a_typing_error_is_no_token_at_all(position: int, character: str):
    first = maker().first()
    spoilt = first[:position] + character + first[position + 1 :]
    assert (maker().handle(spoilt) is None) == (spoilt != first)
