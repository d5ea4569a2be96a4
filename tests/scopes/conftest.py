"""AgnoScopes's matcher of every tested release."""

from collections.abc import Iterator

import pytest

from tests.agentos.releases import AGNO_2_9, AGNO_3_1
from tests.scopes.oracle import AgnoScopes

AGNOS = [
    pytest.param((AGNO_2_9, False), id="agno-2.9.0"),
    pytest.param((AGNO_3_1, False), id="agno-3.1.10"),
    pytest.param((AGNO_3_1, True), id="agno-3.1.10-company"),
]


@pytest.fixture(scope="session", params=AGNOS)
def agno(request: pytest.FixtureRequest) -> Iterator[AgnoScopes]:
    release, company = request.param
    with AgnoScopes(release, company=company) as agno:
        yield agno
