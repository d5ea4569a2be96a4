"""The limit of registrations: one address cannot use up what others may."""

import asyncio
from pathlib import Path

import pytest

from issuer.errors import TooManyRequests
from issuer.rate_limits.limits import build_limits
from issuer.rate_limits.request_limits import IN_ALL, PER_NETWORK, PublicLimit
from tests.builders import FakeClock, settings_for
from tests.redis_server import RedisServer


async def admitted(limit: PublicLimit, network: str, times: int) -> int:
    requests = [limit.count(network) for _ in range(times)]
    return (await asyncio.gather(*requests, return_exceptions=True)).count(None)


def test_a_flood_from_one_address_leaves_room_for_others(clock: FakeClock):
    limit = PublicLimit(clock)
    assert asyncio.run(admitted(limit, "192.0.2.1", 10_000)) == PER_NETWORK.most
    assert asyncio.run(admitted(limit, "192.0.2.2", 1)) == 1


def test_a_flood_from_many_addresses_is_bounded(clock: FakeClock):
    limit = PublicLimit(clock)
    floods = [asyncio.run(admitted(limit, f"192.0.2.{n}", 10)) for n in range(200)]
    assert sum(floods) == IN_ALL.most
    with pytest.raises(TooManyRequests) as refused:
        asyncio.run(limit.count("198.51.100.1"))
    assert 0 < refused.value.retry_after <= IN_ALL.seconds


def test_with_redis_all_processes_count_together(
    redis_server: RedisServer, clock: FakeClock, tmp_path: Path
):
    settings = settings_for(
        tmp_path, rate_limit_redis_url=redis_server.url, client_registration="open"
    )

    async def use() -> tuple[list[int], int]:
        processes = [build_limits(settings, clock) for _ in range(2)]
        limits = [each.registrations for each in processes]
        of_one = [await admitted(limit, "192.0.2.1", 15) for limit in limits]
        rest = [await admitted(limits[n % 2], f"198.51.100.{n}", 10) for n in range(20)]
        for each in processes:
            await each.close()
        return of_one, sum(of_one) + sum(rest)

    assert asyncio.run(use()) == ([15, 5], IN_ALL.most)
