"""Fixtures for keys of clients and of other issuers."""

import pytest

from tests.builders import Deployment
from tests.federation.test_key_sets import KeyWeb


@pytest.fixture
def web(deployment: Deployment) -> KeyWeb:
    """The internet, as this issuer sees it."""
    web = KeyWeb()
    for key_sets in deployment.services.tokens.client_assertions.key_sets:
        key_sets._fetcher = web
    return web
