"""The limit of token requests per client."""

import asyncio
from datetime import timedelta

import pytest

from issuer.errors import TooManyRequests
from issuer.rate_limits.request_limits import Rate, RequestLimit
from tests.builders import FakeClock


def allowed(limit: RequestLimit, client_id: str, times: int) -> int:
    """How many of `times` concurrent requests are allowed."""

    async def all_at_once() -> int:
        requests = (limit.count(client_id) for _ in range(times))
        found = await asyncio.gather(*requests, return_exceptions=True)
        assert all(one is None or isinstance(one, TooManyRequests) for one in found)
        return found.count(None)

    return asyncio.run(all_at_once())


def test_each_client_has_its_own_limit_in_each_second(clock: FakeClock):
    limit = RequestLimit(Rate(5, 1), clock)
    assert [allowed(limit, client, 100) for client in ("a", "b")] == [5, 5]
    clock.move(timedelta(seconds=1))
    assert allowed(limit, "a", 100) == 5


@pytest.mark.parametrize(("text", "rate"), [("5/second", Rate(5, 1)), ("60/minute", Rate(60, 60))])
def test_a_rate_is_read_from_a_setting(text: str, rate: Rate):
    assert Rate.read(text) == rate


def test_off_gives_no_rate():
    assert Rate.read("off") is None
