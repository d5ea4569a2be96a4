"""Fixtures for journeys."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.databases import PostgreSQL
from tests.journeys.running_issuer import RunningIssuer


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def issuer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningIssuer]:
    """A server for all tests of a file, on each database; each test creates its own clients."""
    with ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            server: PostgreSQL = request.getfixturevalue("postgresql")
            url = stack.enter_context(server.database())
        # Tests of malformed requests send more wrong credentials than one address is allowed.
        folder = tmp_path_factory.mktemp("issuer")
        yield stack.enter_context(RunningIssuer(folder, url, rate_limit_failures="off"))
