"""Authorization codes on two servers of one deployment, on each database."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.builders import Credentials
from tests.drivers import TokenAnswer
from tests.journeys.running_issuer import RunningIssuer, Server, wait_until
from tests.journeys.signing_in import CALLBACK, WebPerson, token_request
from tests.sign_in.authorizing import GRANTS

ATTEMPTS = 64
ROUNDS = 3
WITHIN = 10

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(issuer: RunningIssuer) -> Credentials:
    issuer.deployment.role("runner", ["agents:run"])
    issuer.deployment.user("alice", ["runner"])
    return issuer.deployment.client(
        "app", grant_types=GRANTS, redirect_uris=[CALLBACK], user_rights="all"
    )


@pytest.fixture(scope="module")
def servers(issuer: RunningIssuer) -> Iterator[list[Server]]:
    with issuer.replica() as replica:
        yield [issuer, replica]


def test_of_many_redemptions_at_two_servers_one_gives_a_token_at_most(
    issuer: RunningIssuer, servers: list[Server], app: Credentials
):
    """RFC 6749 §4.1.2. The others are further uses, and end what the first one gave."""
    alice = WebPerson("alice")
    for _ in range(ROUNDS):
        code = alice.code(issuer.url, app)
        answers = at_once(servers, app, code)
        outcomes = Counter(answer.error for answer in answers)
        assert outcomes == {None: 1, "invalid_grant": ATTEMPTS - 1}
        (given,) = (answer for answer in answers if answer.error is None)
        for server in servers:
            again = server.token_endpoint.refresh(app, given.refresh_token)
            assert again.error == "invalid_grant"


def test_a_code_redeemed_at_one_server_and_again_at_the_other_revokes_what_it_gave(
    issuer: RunningIssuer, servers: list[Server], app: Credentials
):
    code = WebPerson("alice").code(issuer.url, app)
    given = redeem(servers[0], app, code)
    assert redeem(servers[1], app, code).error == "invalid_grant"

    def is_active(server: Server) -> bool:
        return server.token_endpoint.introspect(app, given.token)["active"]

    for server in servers:
        wait_until(lambda server=server: not is_active(server), WITHIN, "the token is revoked")


def at_once(servers: list[Server], app: Credentials, code: str) -> list[TokenAnswer]:
    """Redeem it by many threads that start together, at the servers in turn."""
    together = Barrier(ATTEMPTS)

    def attempt(number: int) -> TokenAnswer:
        together.wait()
        return redeem(servers[number % len(servers)], app, code)

    with ThreadPoolExecutor(ATTEMPTS) as threads:
        return list(threads.map(attempt, range(ATTEMPTS)))


def redeem(server: Server, app: Credentials, code: str) -> TokenAnswer:
    return server.token_endpoint.post(
        data=token_request(code), auth=(app.client_id, app.client_secret)
    )
