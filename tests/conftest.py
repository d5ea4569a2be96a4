"""Fixtures for every test."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from issuer.composition import compose
from issuer.composition.foundation import build_telemetry
from issuer.server.app import create_app
from issuer.settings import Settings
from issuer.telemetry import logs
from tests.builders import Credentials, Deployment, FakeClock, initialised, settings_for
from tests.databases import PostgreSQL, copied, shared_postgresql
from tests.dialects import share_dialects
from tests.drivers import TokenDriver
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


@dataclass(frozen=True)
class Initialized:
    """An initialised issuer."""

    settings: Settings
    admin: Credentials


@pytest.fixture(scope="session")
def opened_sqlite(
    tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: str
) -> Iterator[Initialized]:
    """Initialised once in each worker, then copied."""
    with opened_once(tmp_path_factory.mktemp("opened"), migrated_sqlite) as opened:
        yield opened


@pytest.fixture(scope="session")
def opened_postgresql(
    tmp_path_factory: pytest.TempPathFactory, migrated_postgresql: str
) -> Iterator[Initialized]:
    """Initialised once in each worker, then copied."""
    with opened_once(tmp_path_factory.mktemp("opened"), migrated_postgresql) as opened:
        yield opened


@contextmanager
def opened_once(folder: Path, migrated: str) -> Iterator[Initialized]:
    with copied(migrated, folder) as url:
        settings = settings_for(folder / "data", url)
        yield Initialized(settings, initialised(settings, FakeClock()))


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
def opened(
    database_kind: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    more_settings: dict[str, str],
) -> Iterator[Initialized]:
    """An issuer that no other test sees, copied: initialising takes longer than most tests."""
    if more_settings:
        settings: Settings = request.getfixturevalue("settings")
        yield Initialized(settings, initialised(settings, FakeClock()))
        return
    with copied_issuer(request.getfixturevalue(f"opened_{database_kind}"), tmp_path) as opened:
        yield opened


@contextmanager
def copied_issuer(template: Initialized, folder: Path) -> Iterator[Initialized]:
    data_dir = shutil.copytree(template.settings.data_dir, folder / "data")
    with copied(template.settings.effective_database_url, folder) as url:
        yield Initialized(settings_for(data_dir, url), template.admin)


@pytest.fixture
def deployment(opened: Initialized, clock: FakeClock) -> Iterator[Deployment]:
    """A running issuer with an audience `my-os`, its server reachable through `http`."""
    with running(opened, clock) as deployment:
        yield deployment


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """One for all tests of a module that only read or are refused; their order may not matter."""
    template: Initialized = request.getfixturevalue(f"opened_{request.param}")
    with (
        copied_issuer(template, tmp_path_factory.mktemp("shared")) as opened,
        running(opened, FakeClock()) as deployment,
    ):
        yield deployment


@contextmanager
def running(opened: Initialized, clock: FakeClock) -> Iterator[Deployment]:
    with served(opened, clock) as deployment:
        deployment.audience("my-os")
        yield deployment


@contextmanager
def served(opened: Initialized, clock: FakeClock) -> Iterator[Deployment]:
    """The issuer as it is, and its server."""
    composition = compose(opened.settings, clock, build_telemetry(opened.settings, {}))
    app = create_app(composition)
    with TestClient(app, base_url=opened.settings.url) as http:
        composition.keys.rotator.stop()  # `Deployment.wait` runs it, and nothing at the same time
        yield Deployment(composition, opened.admin, http)
    # FastAPI keeps functions of each app until the process ends, and they refer to the app:
    # thousands of them would stay in memory.
    if app.rest.built is not None:
        vars(app.rest.built).clear()


@pytest.fixture
def http(deployment: Deployment) -> httpx.Client:
    return deployment.http


@pytest.fixture
def token_endpoint(http: httpx.Client) -> TokenDriver:
    return TokenDriver(http)


@pytest.fixture
def shared_endpoint(shared: Deployment) -> TokenDriver:
    return TokenDriver(shared.http)
