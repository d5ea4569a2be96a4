"""Nonces that nothing remembers (RFC 9449 §8)."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from issuer.dpop.nonces import Nonces
from tests.builders import FakeClock

KEY = b"k" * 32


def test_a_nonce_is_good_for_five_minutes_at_every_process():
    clock = FakeClock()
    nonce = Nonces(KEY, clock).new()
    elsewhere = Nonces(KEY, clock)
    assert elsewhere.accepts(nonce)
    clock.move(timedelta(minutes=5) - timedelta(seconds=1))
    assert elsewhere.accepts(nonce)
    clock.move(timedelta(seconds=2))
    assert not elsewhere.accepts(nonce)


def test_a_nonce_of_a_process_whose_clock_is_a_minute_ahead_is_good():
    ahead, clock = FakeClock(), FakeClock()
    ahead.move(timedelta(seconds=59))
    assert Nonces(KEY, clock).accepts(Nonces(KEY, ahead).new())
    ahead.move(timedelta(minutes=2))
    assert not Nonces(KEY, clock).accepts(Nonces(KEY, ahead).new())


def test_nobody_else_can_make_a_nonce():
    clock = FakeClock()
    assert not Nonces(KEY, clock).accepts(Nonces(b"o" * 32, clock).new())


@given(st.one_of(st.text(), st.binary(), st.text("AZaz09-_=", min_size=32, max_size=32)))
def test_anything_else_is_no_nonce(sent: object):
    assert not Nonces(KEY, FakeClock()).accepts(sent)
