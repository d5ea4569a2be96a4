"""The limit of registrations: one address cannot use up what others may."""

import pytest

from issuer.errors import TooManyRequests
from issuer.rate_limits.registration_limit import IN_ALL, PER_NETWORK, RegistrationLimit
from tests.builders import FakeClock


def admitted(limit: RegistrationLimit, network: str, times: int) -> int:
    count = 0
    for _ in range(times):
        try:
            limit.count(network)
        except TooManyRequests:
            continue
        count += 1
    return count


def test_a_flood_from_one_address_leaves_room_for_others(clock: FakeClock):
    limit = RegistrationLimit(clock)
    assert admitted(limit, "192.0.2.1", 10_000) == PER_NETWORK.most
    assert admitted(limit, "192.0.2.2", 1) == 1


def test_a_flood_from_many_addresses_is_bounded(clock: FakeClock):
    limit = RegistrationLimit(clock)
    assert sum(admitted(limit, f"192.0.2.{n}", 10) for n in range(200)) == IN_ALL.most
    with pytest.raises(TooManyRequests) as refused:
        limit.count("198.51.100.1")
    assert 0 < refused.value.retry_after <= IN_ALL.seconds
