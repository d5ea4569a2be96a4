"""The text form of refresh tokens, and the digests stored of them."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from issuer.refresh_tokens.family import RefreshTokenMaker


def maker(key: bytes = b"k" * 32, seed: int = 1) -> RefreshTokenMaker:
    return RefreshTokenMaker(key, Random(seed))


def test_a_successor_shares_only_the_family_part():
    tokens = maker()
    first = tokens.first()
    second = tokens.successor(first, b"salt")
    assert tokens.handle(first) == tokens.handle(second)
    assert tokens.digest(first) != tokens.digest(second)
    assert len(first) == len(second) == 78
    assert first[:27] == second[:27]
    assert first[27:70] != second[27:70]


def test_the_successor_is_the_same_for_the_same_salt_only():
    tokens = maker()
    first = tokens.first()
    assert tokens.successor(first, b"one") == tokens.successor(first, b"one")
    assert tokens.successor(first, b"one") != tokens.successor(first, b"two")
    assert tokens.successor(first, b"one") != tokens.successor(tokens.first(), b"one")


def test_digests_and_successors_depend_on_the_key():
    tokens, other = maker(), maker(key=b"x" * 32)
    first = tokens.first()
    assert tokens.digest(first) != other.digest(first)
    assert tokens.handle(first) != other.handle(first)
    assert tokens.successor(first, b"salt") != other.successor(first, b"salt")


@given(position=st.integers(0, 77), character=st.characters())
def test_a_token_with_a_typing_error_is_not_a_token(position: int, character: str):
    first = maker().first()
    changed = first[:position] + character + first[position + 1 :]
    assert (maker().handle(changed) is None) == (changed != first)
