"""Fixtures for every test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url
from starlette.testclient import TestClient

from issuer.app import create_app
from issuer.settings import Settings
from tests.builders import FakeClock, House, initialised, settings_for
from tests.databases import PostgreSQL, shared_postgresql
from tests.drivers import TokenEndpoint

pytest_plugins = ["tests.scheduling"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """What a test runs on; a test for one only says so by `parametrize("database_kind", […])`."""
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
    if database_kind == "sqlite":
        template: Path = request.getfixturevalue("migrated_sqlite_file")
        yield f"sqlite:///{shutil.copyfile(template, tmp_path / 'migrated.db')}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    with server.database(request.getfixturevalue("migrated_postgresql_database")) as url:
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
def migrated_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrated once in each worker, then copied."""
    path = tmp_path_factory.mktemp("migrated") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgresql_database(postgresql: PostgreSQL) -> Iterator[str]:
    """The name of a database migrated once in each worker, then copied."""
    with postgresql.database() as url:
        migrate(url)
        yield make_url(url).database


def migrate(url: str) -> None:
    # Imported late: tests of the floor below the database must not need it.
    from issuer.database import migrate  # noqa: PLC0415

    migrate(url)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def more_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """Further settings; a test gives them by `parametrize("more_settings", […])`."""
    return {}


@pytest.fixture
def settings(tmp_path: Path, migrated_database_url: str, more_settings: dict[str, str]) -> Settings:
    return settings_for(tmp_path / "data", migrated_database_url, **more_settings)


@pytest.fixture
def house(settings: Settings, clock: FakeClock) -> Iterator[House]:
    """A running issuer with an audience `my-os`, its server reachable through `http`."""
    admin = initialised(settings, clock)
    app = create_app(settings, clock)
    with TestClient(app, base_url=settings.url) as http:
        house = House(app.state.services, admin, http)
        house.audience("my-os")
        yield house
    # FastAPI remembers functions of each app for as long as the process lives, and they have the
    # app in hand: thousands of houses would stay in memory.
    vars(app).clear()


@pytest.fixture
def http(house: House) -> httpx.Client:
    return house.http


@pytest.fixture
def token_endpoint(http: httpx.Client) -> TokenEndpoint:
    return TokenEndpoint(http)
