"""AgentOS of every release we test against."""

from collections.abc import Iterator

import pytest

from tests.agentos.releases import RELEASES, AgnoRelease
from tests.catalogue.oracle import Agno


@pytest.fixture(scope="session", params=RELEASES, ids=str)
def release(request: pytest.FixtureRequest) -> AgnoRelease:
    return request.param


@pytest.fixture(scope="session")
def agno(release: AgnoRelease) -> Iterator[Agno]:
    with Agno(release) as agno:
        yield agno
