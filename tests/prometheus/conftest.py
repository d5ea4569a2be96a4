"""A running issuer with metrics, for all tests of a module."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from tests.builders import Deployment, FakeClock
from tests.conftest import Initialized, copied_issuer, running
from tests.prometheus.scraper import TOKEN, Scraper


@pytest.fixture(scope="module")
def measured(
    opened_sqlite: Initialized, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    with copied_issuer(opened_sqlite, tmp_path_factory.mktemp("measured")) as copied:
        settings = copied.settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})
        with running(replace(copied, settings=settings), FakeClock()) as deployment:
            yield deployment


@pytest.fixture(scope="module")
def scraper(measured: Deployment) -> Scraper:
    return Scraper(measured.http)
