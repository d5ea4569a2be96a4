"""Rate limits of a running server: the client address, and counters shared by processes."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from issuer.database.tables import AuditEventRow
from tests.builders import Credentials
from tests.journeys.running_issuer import RunningIssuer
from tests.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.slow

GRANT = {"grant_type": "client_credentials"}
PROXY, NOT_A_PROXY = "127.0.0.1", "127.0.0.2"
# These tests may begin in one minute and end in the next.
FAR_FROM_ALL = 3


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    """Behind a proxy on 127.0.0.1, and a second one in 10.0.0.0/8 or fd00::/8 before it."""
    trusted = f"{PROXY},10.0.0.0/8,fd00::/8"
    folder = tmp_path_factory.mktemp("issuer")
    with RunningIssuer(folder, trusted_proxies=trusted, rate_limit_failures="off") as issuer:
        yield issuer


@contextmanager
def caller(issuer: RunningIssuer, address: str = PROXY) -> Iterator[httpx.Client]:
    """A client at `address`; all of 127.0.0.0/8 is this machine."""
    transport = httpx.HTTPTransport(local_address=address)
    with httpx.Client(base_url=issuer.url, transport=transport, timeout=60) as client:
        yield client


def audited_address(
    issuer: RunningIssuer, headers: list[tuple[str, str]], peer: str = PROXY
) -> str | None:
    """The address in the audit event of a request with these headers."""
    client = issuer.deployment.client()
    with caller(issuer, peer) as http:
        auth = (client.client_id, client.client_secret)
        assert http.post("/oauth2/token", data=GRANT, auth=auth, headers=headers).is_success
    with issuer.deployment.services.database.reading() as session:
        query = select(AuditEventRow.address).where(
            AuditEventRow.action == "token.issued", AuditEventRow.actor == client.client_id
        )
        return session.scalars(query).one()


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ([], PROXY),
        (["192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1:4711"], "192.0.2.1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["192.0.2.1, 10.1.2.3"], "192.0.2.1"),
        (["2001:db8::1, fd00::1"], "2001:db8::1"),
        (["198.51.100.1, 192.0.2.1"], "192.0.2.1"),
        (["198.51.100.1, 192.0.2.1, 10.1.2.3"], "192.0.2.1"),
        (["198.51.100.1", "192.0.2.1"], "192.0.2.1"),
        (["198.51.100.1", "192.0.2.1, 10.1.2.3"], "192.0.2.1"),
        (["10.9.9.9, 10.1.2.3"], "10.9.9.9"),
        (["garbage, 192.0.2.1"], "192.0.2.1"),
        ([""], PROXY),
    ],
)
def test_behind_a_trusted_proxy_the_address_is_the_last_one_that_is_not_a_proxy(
    issuer: RunningIssuer, values: list[str], address: str
):
    headers = [("X-Forwarded-For", value) for value in values]
    assert audited_address(issuer, headers) == address


@pytest.mark.parametrize(
    "value", ["192.0.2.1", "10.1.2.3", "127.0.0.1", "192.0.2.1, 127.0.0.1", "garbage"]
)
def test_the_header_of_an_untrusted_peer_is_ignored(issuer: RunningIssuer, value: str):
    assert audited_address(issuer, [("X-Forwarded-For", value)], NOT_A_PROXY) == NOT_A_PROXY


@pytest.mark.parametrize(
    "header",
    [("Forwarded", "for=192.0.2.1"), ("X-Real-Ip", "192.0.2.1"), ("Client-Ip", "192.0.2.1")],
)
def test_other_forwarding_headers_are_ignored(issuer: RunningIssuer, header: tuple[str, str]):
    assert audited_address(issuer, [header]) == PROXY


@pytest.mark.parametrize("value", ["garbage", "1" * 5_000, "192.0.2.1:port", "[::1", ",", "::1::"])
def test_a_forwarded_value_that_is_not_an_address_is_stored_cut_off(
    issuer: RunningIssuer, value: str
):
    """A trusted proxy sent it: it is audited, up to the length of an address."""
    address = audited_address(issuer, [("X-Forwarded-For", value)])
    assert address is not None
    assert len(address) <= 64


def test_by_default_no_proxy_is_trusted(tmp_path: Path):
    with RunningIssuer(tmp_path) as issuer:
        assert audited_address(issuer, [("X-Forwarded-For", "192.0.2.1")]) == PROXY


def wrong(http: httpx.Client, forwarded_for: str) -> int:
    auth, headers = ("unknown", "wrong"), {"X-Forwarded-For": forwarded_for}
    return http.post("/oauth2/token", data=GRANT, auth=auth, headers=headers).status_code


def test_the_limit_counts_callers_and_not_the_proxy(tmp_path: Path):
    """An IPv6 caller cannot evade it with another address of the same site."""
    with (
        RunningIssuer(
            tmp_path, trusted_proxies=PROXY, rate_limit_failures=f"{FAR_FROM_ALL}/minute"
        ) as issuer,
        caller(issuer) as http,
    ):
        site = [f"2001:db8:0:1::{number:x}" for number in range(1, 20)]
        assert 429 in {wrong(http, address) for address in site}
        elsewhere = {wrong(http, f"2001:db8:0:{number:x}::1") for number in range(2, 20)}
        assert elsewhere == {401}


def test_an_untrusted_peer_cannot_evade_the_limit_with_a_header(tmp_path: Path):
    with (
        RunningIssuer(
            tmp_path, trusted_proxies=PROXY, rate_limit_failures=f"{FAR_FROM_ALL}/minute"
        ) as issuer,
        caller(issuer, NOT_A_PROXY) as http,
    ):
        assert 429 in {wrong(http, f"192.0.2.{number}") for number in range(20)}


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


def test_two_processes_count_requests_together(tmp_path: Path, redis_server: RedisServer):
    """Each request uses its own connection, so both processes get some."""
    settings = {"rate_limit_requests": "20/minute", "rate_limit_redis_url": redis_server.url}
    with RunningIssuer(tmp_path, workers=2, **settings) as issuer:
        client = issuer.deployment.client()
        statuses = Counter(ask(issuer, client) for _ in range(100))
        minutes = len(redis_server.client.keys("*"))
        assert 20 <= statuses[200] <= 20 * minutes
        assert statuses[200] + statuses[429] == 100


def test_a_server_keeps_working_without_its_redis(tmp_path: Path, redis_server: RedisServer):
    settings = {"rate_limit_requests": "1000/minute", "rate_limit_redis_url": redis_server.url}
    with RunningIssuer(tmp_path, **settings) as issuer:
        client = issuer.deployment.client()
        assert ask(issuer, client) == 200
        redis_server.stop()
        assert {ask(issuer, client) for _ in range(20)} == {200}
        assert ask(issuer, Credentials("unknown", "wrong")) == 401
        assert issuer.log.count("rate_limits_not_shared") >= 1
        assert redis_server.url not in issuer.log


def test_a_burst_of_password_guesses_is_limited(tmp_path: Path):
    settings = {"rate_limit_failures": "10/minute", "password_queue": "1000"}
    with RunningIssuer(tmp_path, **settings) as issuer:
        client = issuer.deployment.client(grant_types=["password"])
        issuer.deployment.user("alice")

        def guess(number: int) -> int:
            return issuer.token_endpoint.password(client, "alice", f"guess {number}").status

        with ThreadPoolExecutor(50) as threads:
            statuses = Counter(threads.map(guess, range(200)))
    # A guess that waits has its share of the ten; the minute may have changed.
    assert 1 <= statuses[400] <= 20
    # Where too many wait already, a guess is not examined.
    assert statuses[400] + statuses[429] + statuses[503] == 200


def ask(issuer: RunningIssuer, client: Credentials) -> int:
    auth = (client.client_id, client.client_secret)
    return httpx.post(f"{issuer.url}/oauth2/token", data=GRANT, auth=auth, timeout=60).status_code
