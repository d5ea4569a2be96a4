"""The admin API in different hands."""

from collections.abc import Callable

import pytest

from tests.builders import URL, House
from tests.drivers import AdminApi, TokenEndpoint


@pytest.fixture
def admin(house: House, token_endpoint: TokenEndpoint) -> AdminApi:
    """In the hands of the admin client."""
    return AdminApi(house.http, token_endpoint.client_credentials(house.admin).token)


@pytest.fixture
def holder_of(house: House, token_endpoint: TokenEndpoint) -> Callable[..., AdminApi]:
    """In the hands of a client that holds just these scopes at the issuer."""

    def hold(*scopes: str) -> AdminApi:
        client = house.client(scopes=list(scopes), audiences=[URL])
        return AdminApi(house.http, token_endpoint.client_credentials(client).token)

    return hold
