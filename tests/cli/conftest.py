"""Fixtures for the command line."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from issuer.cli.command import wants_json
from tests.builders import URL
from tests.cli.arranged import ArrangeCli, CliTemplates
from tests.cli.driver import Cli
from tests.cli.servers import server_of
from tests.databases import copied


@pytest.fixture(autouse=True)
def _output_is_text() -> None:
    """Also where a test prints without a command, after one that ran with `--json`."""
    wants_json.set(False)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Settings quick enough for tests; the database is SQLite in the data directory."""
    return environment_in(tmp_path)


def environment_in(folder: Path) -> dict[str, str]:
    return {
        "ISSUER_URL": URL,
        "ISSUER_DATA_DIR": str(folder / "data"),
        "ISSUER_SIGNING_ALGORITHMS": "ES256",
        "ISSUER_PASSWORD_HASH": "owasp",
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


@pytest.fixture(scope="session")
def sqlite_clis(
    migrated_sqlite: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CliTemplates]:
    with cli_templates(migrated_sqlite, tmp_path_factory) as templates:
        yield templates


@pytest.fixture(scope="session")
def postgresql_clis(
    migrated_postgresql: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CliTemplates]:
    with cli_templates(migrated_postgresql, tmp_path_factory) as templates:
        yield templates


@contextmanager
def cli_templates(migrated: str, folders: pytest.TempPathFactory) -> Iterator[CliTemplates]:
    with ExitStack() as stack:

        def new_empty() -> Cli:
            folder = folders.mktemp("cli")
            url = stack.enter_context(copied(migrated, folder))
            return Cli({**environment_in(folder), "ISSUER_DATABASE_URL": url})

        yield CliTemplates(new_empty)


@pytest.fixture
def data_dir(environment: dict[str, str]) -> Path:
    return Path(environment["ISSUER_DATA_DIR"])


@pytest.fixture
def new_cli(environment: dict[str, str]) -> Cli:
    """The command line without a data directory."""
    return Cli(environment)


# Whose commands also run against a server, on SQLite: what differs there is not the database.
BOTH_WAYS = {
    *("test_client_keys", "test_clients", "test_confirming", "test_endings", "test_explain"),
    *("test_groups", "test_identities", "test_inspecting", "test_keeping_credentials", "test_keys"),
    "test_manifests",
    *("test_nouns", "test_reviewing", "test_revoking", "test_rotating", "test_suggestions"),
    *("test_trusts", "test_user_factors", "test_user_sessions", "test_users"),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_both_ways = metafunc.module.__name__.rpartition(".")[2] in BOTH_WAYS
    has_own = any(mark.args[0] == "way" for mark in metafunc.definition.iter_markers("parametrize"))
    if is_both_ways and "cli" in metafunc.fixturenames and not has_own:
        metafunc.parametrize("way", ["host", pytest.param("server", marks=pytest.mark.slow)])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave servers on PostgreSQL out."""
    left_out = {"way": "server", "database_kind": "postgresql"}.items()
    items[:] = [
        item
        for item in items
        if not hasattr(item, "callspec") or not left_out <= item.callspec.params.items()
    ]


@pytest.fixture
def way() -> str:
    """Where commands about resources act: on the host, or `server` elsewhere, where marked so."""
    return "host"


@pytest.fixture
def arrange_cli() -> ArrangeCli:
    """What was done after `init`; a module may replace it."""
    return nothing


def nothing(_: Cli) -> None:
    """As `init` leaves it."""


@pytest.fixture
def cli(
    new_cli: Cli,
    arrange_cli: ArrangeCli,
    database_kind: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    way: str,
) -> Iterator[Cli]:
    """The command line after `init`, on either database, or against a server."""
    templates: CliTemplates = request.getfixturevalue(f"{database_kind}_clis")
    with templates.copy(arrange_cli, new_cli, tmp_path) as cli:
        if way == "host":
            yield cli
            return
        with server_of(cli) as elsewhere:
            yield elsewhere
