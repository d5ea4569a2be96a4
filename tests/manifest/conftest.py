"""A second issuer beside the `house`, as `issuer init` leaves it."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from issuer.services import Services, build_services
from tests.builders import FakeClock, initialised, settings_for
from tests.databases import PostgreSQL


@pytest.fixture
def fresh(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock
) -> Iterator[Services]:
    """Of the same URL, on a database of its own."""
    with ExitStack() as held:
        if database_kind == "sqlite":
            template: Path = request.getfixturevalue("migrated_sqlite_file")
            url = f"sqlite:///{shutil.copyfile(template, tmp_path / 'fresh.db')}"
        else:
            server: PostgreSQL = request.getfixturevalue("postgresql")
            migrated = request.getfixturevalue("migrated_postgresql_database")
            url = held.enter_context(server.database(migrated))
        settings = settings_for(tmp_path / "fresh", url)
        initialised(settings, clock)
        services = build_services(settings, clock)
        held.callback(services.database.dispose)
        yield services
