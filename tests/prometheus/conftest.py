"""A running issuer with metrics, for all tests of a module."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from tests.builders import Deployment, FakeClock
from tests.issuers import Templates, running, without_resources
from tests.prometheus.scraper import TOKEN, Scraper


@pytest.fixture(scope="module")
def measured(
    sqlite_templates: Templates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("measured")
    with sqlite_templates.copy(without_resources, folder) as copied:
        settings = copied.settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})
        with running(replace(copied, settings=settings), FakeClock()) as deployment:
            yield deployment


@pytest.fixture(scope="module")
def scraper(measured: Deployment) -> Scraper:
    return Scraper(measured.http)
