"""Evidence for rotating a secret: when and from where each was last used."""

from datetime import timedelta

from tests.builders import OPERATOR, Credentials, House
from tests.drivers import TokenEndpoint


def last_uses(house: House, client: Credentials) -> list[tuple[object, object]]:
    house.services.tokens.last_use.write()
    with house.services.administration.reading(OPERATOR) as rooms:
        secrets = rooms.clients.secrets(client.client_id)
    return [(secret.last_used_at, secret.last_used_address) for secret in secrets]


def test_each_secret_says_when_and_from_where_it_was_used(
    house: House, token_endpoint: TokenEndpoint
):
    old = house.client()
    house.wait(timedelta(seconds=1))
    new = house.secret(old)
    assert last_uses(house, old) == [(None, None), (None, None)]
    used_at = house.clock()
    token_endpoint.client_credentials(old)
    house.wait(timedelta(hours=1))
    token_endpoint.client_credentials(new)
    assert last_uses(house, old) == [(used_at, "testclient"), (house.clock(), "testclient")]


def test_a_refused_secret_was_not_used(house: House, token_endpoint: TokenEndpoint):
    client = house.client()
    token_endpoint.client_credentials(Credentials(client.client_id, "wrong"))
    assert last_uses(house, client) == [(None, None)]


def test_writing_it_forgets_nothing_the_directory_knows(
    house: House, token_endpoint: TokenEndpoint
):
    """Or each write would empty every process's memory."""
    client = house.client()
    token_endpoint.client_credentials(client)
    before = house.services.database.counts().changes
    assert last_uses(house, client) != [(None, None)]
    assert house.services.database.counts().changes == before
