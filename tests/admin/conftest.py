"""The admin API as different callers."""

from collections.abc import Callable

import pytest

from tests.builders import URL, Deployment
from tests.drivers import AdminApi, TokenDriver


@pytest.fixture
def admin(deployment: Deployment, token_endpoint: TokenDriver) -> AdminApi:
    """As the admin client."""
    return AdminApi(deployment.http, token_endpoint.client_credentials(deployment.admin).token)


@pytest.fixture
def holder_of(deployment: Deployment, token_endpoint: TokenDriver) -> Callable[..., AdminApi]:
    """As a client that holds just these scopes at the issuer."""

    def hold(*scopes: str) -> AdminApi:
        client = deployment.client(scopes=list(scopes), audiences=[URL])
        return AdminApi(deployment.http, token_endpoint.client_credentials(client).token)

    return hold
