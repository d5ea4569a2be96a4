"""Refusals are sent to one address at a bounded pace."""

import asyncio

from issuer.rate_limits.request_limits import RefusalPace
from tests.builders import FakeClock

ADDRESS = "192.0.2.1"


def seconds_of(clock: FakeClock, *addresses: str) -> float:
    """How long refusals of these addresses take, one after the other."""
    pace = RefusalPace(clock, per_second=10)
    began = clock.monotonic()

    async def refuse() -> None:
        for each in addresses:
            await pace.wait(each)

    asyncio.run(refuse())
    return clock.monotonic() - began


def test_the_first_refusals_of_a_second_do_not_wait():
    assert seconds_of(FakeClock(), *[ADDRESS] * 10) == 0


def test_refusals_beyond_the_limit_wait_for_the_next_second():
    assert seconds_of(FakeClock(), *[ADDRESS] * 11) == 1
    assert seconds_of(FakeClock(), *[ADDRESS] * 100) == 9


def test_addresses_do_not_delay_each_other():
    assert seconds_of(FakeClock(), *[ADDRESS] * 10, "192.0.2.2") == 0


def test_addresses_of_one_ipv6_network_count_together():
    assert seconds_of(FakeClock(), *[f"2001:db8::{n:x}" for n in range(11)]) == 1
