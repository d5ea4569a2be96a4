"""Fixtures for every test."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from issuer.settings import Settings
from issuer.telemetry import logs
from tests.builders import Deployment, FakeClock, initialised, settings_for
from tests.compiled_templates import share_compiled_templates
from tests.databases import PostgreSQL, copied, shared_postgresql
from tests.dialects import share_dialects
from tests.drivers import TokenDriver
from tests.hashes import hash_cheaply
from tests.issuers import (
    Arrange,
    Initialized,
    Templates,
    served,
    with_my_os,
    without_resources,
)
from tests.machine import let_children_be_interrupted, let_examples_take_their_time

pytest_plugins = [
    "tests.garbage",
    "tests.scheduling",
    "tests.private_postgresql",
    "tests.sign_in.fixtures",
]

let_children_be_interrupted()
let_examples_take_their_time()
share_dialects()
share_compiled_templates()
hash_cheaply()
# As servers do.
logs.configure("info")
logging.getLogger("httpx2").setLevel(logging.WARNING)  # every request of a TestClient


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """The database of a test; `parametrize("database_kind", […])` limits a test to one kind."""
    return request.param


@pytest.fixture
def database_url(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[str]:
    """An empty database that no other test sees."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    with server.database() as url:
        yield url


@pytest.fixture
def migrated_database_url(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[str]:
    """A database of the newest schema, without data, that no other test sees."""
    with copied(request.getfixturevalue(f"migrated_{database_kind}"), tmp_path) as url:
        yield url


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[PostgreSQL]:
    """A server that all xdist workers share."""
    session = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        session = session.parent
    folder = session / "postgresql"
    folder.mkdir(exist_ok=True)
    with shared_postgresql(folder) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Migrated once in each worker, then copied."""
    url = f"sqlite:///{tmp_path_factory.mktemp('migrated') / 'template.db'}"
    migrate(url)
    return url


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: PostgreSQL) -> Iterator[str]:
    """Migrated once in each worker, then copied."""
    with postgresql.database() as url:
        migrate(url)
        yield url


@pytest.fixture(scope="session")
def sqlite_templates(
    migrated_sqlite: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Templates]:
    with ExitStack() as stack:
        yield Templates(migrated_sqlite, lambda: tmp_path_factory.mktemp("template"), stack)


@pytest.fixture(scope="session")
def postgresql_templates(
    migrated_postgresql: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Templates]:
    with ExitStack() as stack:
        yield Templates(migrated_postgresql, lambda: tmp_path_factory.mktemp("template"), stack)


@pytest.fixture
def templates(database_kind: str, request: pytest.FixtureRequest) -> Templates:
    """Those of the database."""
    found: Templates = request.getfixturevalue(f"{database_kind}_templates")
    return found


def migrate(url: str) -> None:
    # Imported late: tests of packages below the database must not need it.
    from issuer.database.migrations import migrate  # noqa: PLC0415

    migrate(url)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def more_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """Further settings, from `parametrize("more_settings", […])` of a test."""
    return {}


@pytest.fixture
def settings(tmp_path: Path, migrated_database_url: str, more_settings: dict[str, str]) -> Settings:
    return settings_for(tmp_path / "data", migrated_database_url, **more_settings)


@pytest.fixture
def arrange() -> Arrange:
    """What `deployment` has from the beginning; a module or folder may replace it."""
    return with_my_os


@pytest.fixture
def opened(
    templates: Templates,
    arrange: Arrange,
    more_settings: dict[str, str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Initialized]:
    """An initialised issuer that no other test sees: that of `deployment`, or without resources."""
    if more_settings:
        with copied(templates.migrated, tmp_path) as url:
            settings = settings_for(tmp_path / "data", url, **more_settings)
            yield Initialized(settings, initialised(settings, FakeClock()))
        return
    is_served = "deployment" in request.fixturenames
    with templates.copy(arrange if is_served else without_resources, tmp_path) as opened:
        yield opened


@pytest.fixture
def deployment(opened: Initialized, arrange: Arrange, clock: FakeClock) -> Iterator[Deployment]:
    """A running issuer with an audience `my-os`, its server reachable through `http`."""
    with served(opened, clock) as deployment:
        if opened.arranged_by is not arrange:
            arrange(deployment)
        yield deployment


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """One for all tests of a module that only read or are refused; their order may not matter."""
    templates: Templates = request.getfixturevalue(f"{request.param}_templates")
    with (
        templates.copy(with_my_os, tmp_path_factory.mktemp("shared")) as opened,
        served(opened, FakeClock()) as deployment,
    ):
        yield deployment


@pytest.fixture
def http(deployment: Deployment) -> httpx.Client:
    return deployment.http


@pytest.fixture
def token_endpoint(http: httpx.Client) -> TokenDriver:
    return TokenDriver(http)


@pytest.fixture
def shared_endpoint(shared: Deployment) -> TokenDriver:
    return TokenDriver(shared.http)
