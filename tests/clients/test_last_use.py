"""When and from where each secret was last used, for its rotation."""

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest

from issuer.clients.authentication import LastUse
from tests.builders import OPERATOR, Credentials, Deployment
from tests.drivers import TokenDriver
from tests.interleaving import is_one_blocked, right_after
from tests.journeys.running_issuer import wait_until


def last_uses(deployment: Deployment, client: Credentials) -> list[tuple[object, object]]:
    deployment.services.tokens.last_use.write()
    with deployment.services.administration.reading(OPERATOR) as work:
        secrets = work.clients.secrets(client.client_id)
    return [(secret.last_used_at, secret.last_used_address) for secret in secrets]


def test_each_secret_shows_when_and_from_where_it_was_used(
    deployment: Deployment, token_endpoint: TokenDriver
):
    old = deployment.client()
    deployment.wait(timedelta(seconds=1))
    new = deployment.secret(old)
    assert last_uses(deployment, old) == [(None, None), (None, None)]
    used_at = deployment.clock()
    token_endpoint.client_credentials(old)
    deployment.wait(timedelta(hours=1))
    token_endpoint.client_credentials(new)
    assert last_uses(deployment, old) == [
        (used_at, "testclient"),
        (deployment.clock(), "testclient"),
    ]


def test_a_refused_secret_does_not_count_as_used(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client()
    token_endpoint.client_credentials(Credentials(client.client_id, "wrong"))
    assert last_uses(deployment, client) == [(None, None)]


def test_writing_last_uses_does_not_invalidate_the_directory(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """Otherwise each write would empty every process's cache."""
    client = deployment.client()
    token_endpoint.client_credentials(client)
    before = deployment.services.database.counts().changes
    assert last_uses(deployment, client) != [(None, None)]
    assert deployment.services.database.counts().changes == before


@pytest.mark.parametrize("database_kind", ["postgresql"])  # SQLite has one writer at a time
def test_two_processes_write_the_uses_of_the_same_secrets(deployment: Deployment):
    """Both lock them in one order: otherwise each would wait for the other."""
    load = deployment.services.tokens.directory.load_client
    records = [load(deployment.client().client_id).secrets[0] for _ in range(2)]
    one, other = (LastUse(deployment.services.database) for _ in range(2))
    for process, order in ((one, records), (other, records[::-1])):
        for secret in order:
            process.note(secret, deployment.clock(), None)
    with ThreadPoolExecutor() as threads:
        writes: list[Future[None]] = []

        def begin() -> None:
            writes.append(threads.submit(other.write))
            wait_until(partial(is_one_blocked, deployment), 20, "the other waits for a lock")

        with right_after(deployment, "UPDATE client_secrets", begin):
            one.write()
        writes[0].result()
