"""Two servers of one deployment: what an operator revokes is refused by both."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from issuer.composition import UnitOfWork
from issuer.directory.change_watcher import POLL_INTERVAL
from issuer.roles import Assignment
from issuer.users.passwords import Passwords
from tests.builders import PASSWORD, Credentials
from tests.drivers import TokenAnswer
from tests.journeys.running_issuer import RunningIssuer, Server, polls

WITHIN = 10.0  # seconds; within one on an idle machine
# A server caches a client once it has polled for changes since the last one.
BUSY, TRIES = 503, 20
UNTIL_REMEMBERED = 2 * POLL_INTERVAL.total_seconds()


@dataclass(frozen=True)
class RoleHolders:
    """A client and a user, both with a role `runner-…` that has the scope `agents:run`."""

    client: Credentials
    user_id: str
    role: str


def delete_a_secret(work: UnitOfWork, held: RoleHolders) -> None:
    client_id = held.client.client_id
    work.clients.delete_secret(client_id, work.clients.secrets(client_id)[0].id)


FROM_A_CLIENT: dict[str, Callable[[UnitOfWork, RoleHolders], object]] = {
    "disabled": lambda work, held: work.clients.update(held.client.client_id, {"disabled": True}),
    "deleted": lambda work, held: work.clients.delete(held.client.client_id),
    "secret deleted": delete_a_secret,
    "audience taken": lambda work, held: work.clients.update(
        held.client.client_id, {"audiences": []}
    ),
    "grant taken": lambda work, held: work.clients.update(
        held.client.client_id, {"grant_types": ["password"]}
    ),
    "role taken": lambda work, held: work.assignments.unassign(
        held.client.client_id, Assignment(role=held.role)
    ),
    "role emptied": lambda work, held: work.roles.update(held.role, {"scopes": []}),
}

FROM_A_USER: dict[str, Callable[[UnitOfWork, RoleHolders], object]] = {
    "disabled": lambda work, held: work.users.update(held.user_id, {"disabled": True}),
    "deleted": lambda work, held: work.users.delete(held.user_id),
    "password changed": lambda work, held: work.users.set_password(
        held.user_id, Passwords("owasp").prepared("another one!")
    ),
    "role taken": lambda work, held: work.assignments.unassign(
        held.user_id, Assignment(role=held.role)
    ),
    "role emptied": lambda work, held: work.roles.update(held.role, {"scopes": []}),
    "client disabled": FROM_A_CLIENT["disabled"],
}


@pytest.fixture(scope="module")
def servers(issuer: RunningIssuer) -> Iterator[list[Server]]:
    with issuer.replica() as replica:
        yield [issuer, replica]


@pytest.fixture
def held(issuer: RunningIssuer, request: pytest.FixtureRequest) -> RoleHolders:
    name = str(time.monotonic_ns())
    role = issuer.deployment.role(f"runner-{name}", ["agents:run"])
    return RoleHolders(
        client=issuer.deployment.client(
            roles=[role], grant_types=["client_credentials", "password"]
        ),
        user_id=issuer.deployment.user(name, id=name, roles=[role]),
        role=role,
    )


@pytest.mark.parametrize("what", FROM_A_CLIENT)
def test_rights_removed_from_a_client_no_longer_apply_at_both_servers(
    issuer: RunningIssuer, servers: list[Server], held: RoleHolders, what: str
):
    def may_run(server: Server) -> bool:
        return runs(server.token_endpoint.client_credentials(held.client))

    for _ in polls(UNTIL_REMEMBERED):
        assert all(may_run(server) for server in servers)
    with issuer.deployment.changing() as work:
        FROM_A_CLIENT[what](work, held)
    assert_soon_none(may_run, servers)


@pytest.mark.parametrize("what", FROM_A_USER)
def test_rights_removed_from_a_user_no_longer_apply_at_both_servers(
    issuer: RunningIssuer, servers: list[Server], held: RoleHolders, what: str
):
    def may_run(server: Server) -> bool:
        return runs(server.token_endpoint.password(held.client, held.user_id, PASSWORD))

    assert all(may_run(server) for server in servers)
    with issuer.deployment.changing() as work:
        FROM_A_USER[what](work, held)
    assert_soon_none(may_run, servers)


def test_no_token_is_issued_that_a_revocation_at_the_other_server_covers(
    issuer: RunningIssuer, servers: list[Server]
):
    """For twenty clients, each of which requests a token right after its tokens were revoked."""
    deployment = issuer.deployment
    clients = [deployment.client() for _ in range(20)]
    for client in clients:
        for server in servers:
            assert server.token_endpoint.client_credentials(client).status == 200
    time.sleep(UNTIL_REMEMBERED)

    def revoke_and_ask(number: int) -> bool:
        client = clients[number]
        with deployment.changing() as work:
            work.revocations.revoke_client(client.client_id)
        answers = (
            servers[number % 2].token_endpoint.client_credentials(client) for _ in range(TRIES)
        )
        answer = next(each for each in answers if each.status != BUSY)
        token = deployment.services.tokens.any_reader.read_although_revoked(answer.token)
        return deployment.services.tokens.is_revoked(token)

    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(revoke_and_ask, range(20))) == 0


def test_new_clients_and_secrets_work_at_both_servers_at_once(
    issuer: RunningIssuer, servers: list[Server]
):
    """A new client, and a further secret of a client that both have cached."""
    client = issuer.deployment.client()
    for made in (client, issuer.deployment.secret(client)):
        for server in servers:
            assert server.token_endpoint.client_credentials(made).status == 200


def test_both_sign_with_one_key_and_publish_it(issuer: RunningIssuer, servers: list[Server]):
    client = issuer.deployment.client()
    one, other = (server.token_endpoint for server in servers)
    header, claims = other.read(one.client_credentials(client))
    other_header, other_claims = one.read(other.client_credentials(client))
    assert header["kid"] == other_header["kid"]
    assert claims["iss"] == other_claims["iss"] == issuer.url


def runs(answer: TokenAnswer) -> bool:
    """Whether the answer is a token to run agents; anything but a token or a refusal fails."""
    assert answer.status in {200, 400, 401}, answer.body
    return answer.status == 200 and answer.scope == {"agents:run"}


def assert_soon_none(may_run: Callable[[Server], bool], servers: list[Server]) -> None:
    """Wait until a request sees the change: `WITHIN` seconds at most."""
    changed = time.monotonic()
    for _ in polls(WITHIN + 5):
        asked_after = time.monotonic() - changed
        answers = [may_run(server) for server in servers]
        if not any(answers):
            return
        assert asked_after < WITHIN, "a server still issues from what was"
