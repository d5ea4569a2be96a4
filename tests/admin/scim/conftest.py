import pytest

from tests.admin.scim.driver import Scim, scim_of
from tests.builders import Deployment
from tests.drivers import TokenDriver


@pytest.fixture
def scim(deployment: Deployment, token_endpoint: TokenDriver) -> Scim:
    return scim_of(deployment, token_endpoint)
