"""AgentOS of every minor version we support."""

from collections.abc import Iterator

import pytest

from tests.agentos.releases import EACH_MINOR, AgnoRelease
from tests.catalogue.oracle import Agno


@pytest.fixture(scope="session", params=EACH_MINOR, ids=str)
def release(request: pytest.FixtureRequest) -> AgnoRelease:
    return request.param


@pytest.fixture(scope="session")
def agno(release: AgnoRelease) -> Iterator[Agno]:
    with Agno(release) as agno:
        yield agno
