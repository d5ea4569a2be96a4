"""Fixtures for the command line."""

from pathlib import Path

import pytest

from issuer.cli.command import wants_json
from tests.builders import URL
from tests.cli.driver import Cli


@pytest.fixture(autouse=True)
def _output_is_text() -> None:
    """Also where a test prints without a command, after one that ran with `--json`."""
    wants_json.set(False)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Settings quick enough for tests; the database is SQLite in the data directory."""
    return {
        "ISSUER_URL": URL,
        "ISSUER_DATA_DIR": str(tmp_path / "data"),
        "ISSUER_SIGNING_ALGORITHMS": "ES256",
        "ISSUER_PASSWORD_HASH": "owasp",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


@pytest.fixture
def data_dir(environment: dict[str, str]) -> Path:
    return Path(environment["ISSUER_DATA_DIR"])


@pytest.fixture
def new_cli(environment: dict[str, str]) -> Cli:
    """The command line without a data directory."""
    return Cli(environment)


@pytest.fixture
def cli(new_cli: Cli, migrated_database_url: str) -> Cli:
    """The command line after `init`, on either database."""
    cli = new_cli.with_environment(ISSUER_DATABASE_URL=migrated_database_url)
    cli.done("init")
    return cli
