"""Every way in which a database cannot be used, and the error that is printed."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from issuer.database import Database
from issuer.database.outage import LOG_EVERY, Outage
from tests.builders import FakeClock
from tests.captured_logs import capture_logs
from tests.cli.driver import Cli
from tests.private_postgresql import PASSWORD, PostgresqlServer

ERRORS = " ".join((Path(__file__).parents[2] / "docs/reference/errors.md").read_text().split())

OF_A_URL = [
    (
        "issuer:wr0ng@127.0.0.1:{port}/issuer",
        "Cannot open the database (postgresql://issuer:***@db:5432/issuer):"
        ' password authentication failed for user "issuer".',
    ),
    (
        "issuer@127.0.0.1:{port}/issuer",
        "Cannot open the database (postgresql://issuer@db:5432/issuer):"
        " fe_sendauth: no password supplied.",
    ),
    (
        "issuer:{password}@no-such-host.invalid:{port}/issuer",
        "Cannot open the database (postgresql://issuer:***@no-such-host.invalid:5432/issuer):"
        " failed to resolve host 'no-such-host.invalid': Name or service not known.",
    ),
    (
        "issuer:{password}@127.0.0.1:1/issuer",
        "Cannot open the database (postgresql://issuer:***@db:1/issuer): Connection refused.",
    ),
    (
        "issuer:{password}@localhost:1/issuer",
        "Cannot open the database (postgresql://issuer:***@localhost:1/issuer):"
        " Connection refused.",
    ),
    (
        "issuer:{password}@127.0.0.1:{port}/isuer",
        "Cannot open the database (postgresql://issuer:***@db:5432/isuer):"
        ' database "isuer" does not exist.',
    ),
    (
        "issuer:{password}@127.0.0.1:{port}/issuer?sslmode=require",
        "Cannot open the database (postgresql://issuer:***@db:5432/issuer?sslmode=require):"
        " server does not support SSL, but SSL was required.",
    ),
    (
        "guest:{password}@127.0.0.1:{port}/issuer",
        "Cannot open the database (postgresql://guest:***@db:5432/issuer):"
        ' permission denied for database "issuer". User does not have CONNECT privilege.',
    ),
    (
        "issuer:{password}@127.0.0.1:{port}/issuer?sslmod=on",
        "Cannot open the database (postgresql://issuer:***@db:5432/issuer):"
        ' invalid connection option "sslmod".',
    ),
    (
        "issuer@/issuer?host=/nowhere",
        "Cannot open the database (postgresql://issuer@/issuer?host=%2Fnowhere): connection to"
        ' server on socket "/nowhere/.s.PGSQL.5432" failed: No such file or directory.',
    ),
]


@pytest.mark.parametrize(("address", "sentence"), OF_A_URL)
@pytest.mark.parametrize("command", ["init", "doctor"])
def test_a_database_that_cannot_be_opened_says_why_and_no_password(
    new_cli: Cli, empty_postgresql: PostgresqlServer, command: str, address: str, sentence: str
):
    """`docs/reference/errors.md` has what is printed, with the address of a usual deployment."""
    port = empty_postgresql.port
    url = "postgresql://" + address.format(port=port, password=PASSWORD)
    cli = new_cli.with_environment(ISSUER_DATABASE_URL=url, ISSUER_MASTER_KEY="A" * 43)
    result = cli(command)
    printed = (result.out + result.err).replace("127.0.0.1", "db").replace(f":{port}", ":5432")
    assert sentence in (words := " ".join(printed.split()))
    assert "ISSUER_DATABASE_URL" in words.partition(sentence)[2]
    assert sentence in ERRORS
    for secret in ("s3cr3t", "w0rd", "wr0ng"):
        assert secret not in printed


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_scheme_of_postgresql_is_understood(
    new_cli: Cli, empty_postgresql: PostgresqlServer, scheme: str
):
    url = empty_postgresql.url.replace("postgresql", scheme)
    assert new_cli.with_environment(ISSUER_DATABASE_URL=url).json("init")["client_secret"]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://issuer:p@ss@db/issuer", "ISSUER_DATABASE_URL: write %40 for an @ in the"),
        ("postgresql://issuer:p@ss:w@db/issuer", "ISSUER_DATABASE_URL: write %40 for an @ in the"),
        ("postgresql://issuer:ss@db:x/issuer", "ISSUER_DATABASE_URL: the port must be a number"),
        ("mysql://issuer:ss@db/issuer", "ISSUER_DATABASE_URL must begin with sqlite:///, postg"),
    ],
)
def test_a_malformed_url_is_refused_without_its_text(new_cli: Cli, url: str, sentence: str):
    printed = new_cli.with_environment(ISSUER_DATABASE_URL=url)("init").sentence
    assert printed.startswith(sentence)
    assert printed in ERRORS
    assert "ss@" not in printed
    assert "ss:w" not in printed


@pytest.mark.parametrize("command", ["init", "migrate", "serve", "role list", "doctor"])
def test_the_tables_of_another_application_are_named_and_left_alone(
    new_cli: Cli, database_url: str, command: str
):
    """Tables are recognised by name, since other applications use Alembic too."""
    database = Database(database_url)
    with database.engine.begin() as connection:
        for name in ("alembic_version", "users", "sessions"):
            connection.exec_driver_sql(f"CREATE TABLE {name} (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('ae1027a6acf')")
    cli = new_cli.with_environment(ISSUER_DATABASE_URL=database_url, ISSUER_MASTER_KEY="A" * 43)
    result = cli(*command.split())
    printed = " ".join((result.out + result.err).split())
    sentence = printed.replace(database.safe_url, "sqlite:////data/issuer.db")
    expected = (
        "The database (sqlite:////data/issuer.db) belongs to another application, whose tables are"
        " alembic_version, sessions, users: name a database of its own for the issuer."
    )
    assert expected in sentence
    assert expected in ERRORS
    with database.engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT * FROM alembic_version").scalar() == "ae1027a6acf"
    database.dispose()


@pytest.mark.parametrize("command", ["init", "doctor"])
def test_a_sqlite_file_in_a_directory_that_is_not_there_says_so(
    new_cli: Cli, tmp_path: Path, command: str
):
    url = f"sqlite:///{tmp_path}/nowhere/issuer.db"
    cli = new_cli.with_environment(ISSUER_DATABASE_URL=url, ISSUER_MASTER_KEY="A" * 43)
    result = cli(command)
    printed = " ".join((result.out + result.err).replace(f"{tmp_path}/nowhere", "/nowhere").split())
    expected = "Cannot open the database (sqlite:////nowhere/issuer.db): "
    expected += (
        "/nowhere/issuer.db.lock: No such file or directory."
        if command == "init"
        else "unable to open database file: /nowhere is not a directory."
    )
    assert expected in printed
    assert expected in ERRORS


DAMAGED = (
    "It is damaged: stop every server, and restore a backup into a new one with `issuer restore`."
)


@pytest.mark.parametrize("where", ["everything", "a table"])
def test_a_damaged_sqlite_file_is_said_to_be_damaged(new_cli: Cli, data_dir: Path, where: str):
    """Correcting the URL would help nothing."""
    new_cli.done("init")
    new_cli.done("role", "create", "runner")
    path = data_dir / "issuer.db"
    if where == "everything":
        path.write_bytes(b"not a database" * 1_000)
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (size,) = connection.execute("PRAGMA page_size").fetchone()
            found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'roles'")
            (page,) = found.fetchone()
        with path.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
    refused = new_cli("role", "list").sentence
    assert str(path) in refused
    assert refused.endswith(DAMAGED)
    assert DAMAGED.replace("`", "") in ERRORS


def test_a_role_without_rights_in_the_schema_is_an_error_that_names_what_is_denied(
    new_cli: Cli, empty_postgresql: PostgresqlServer
):
    empty_postgresql.execute(
        "ALTER DATABASE issuer OWNER TO postgres", "GRANT CONNECT ON DATABASE issuer TO issuer"
    )
    cli = new_cli.with_environment(ISSUER_DATABASE_URL=empty_postgresql.url)
    printed = cli("init").sentence.replace("127.0.0.1", "db")
    printed = printed.replace(f":{empty_postgresql.port}", ":5432")
    assert printed in ERRORS
    assert printed.endswith("): permission denied for schema public.")


def test_an_outage_is_one_line_a_minute_for_each_cause_and_one_at_its_end():
    """Only a write ends a failure to write: a read-only server goes on being read."""
    clock = FakeClock()
    outage = Outage(clock.monotonic)
    outage.is_logged = True
    with capture_logs() as lines:
        for _ in range(600):
            outage.failed("Connection refused", writing=False)
            outage.failed("the connection is lost", writing=True)
            clock.elapsed += LOG_EVERY / 200
        outage.ended(writing=False)
        outage.ended(writing=True)
        outage.ended(writing=True)
    assert [line["event"] for line in lines] == [
        *["database_unavailable"] * 6,
        "database_available",
    ]
    assert lines[-1]["failures"] == 1200


def test_an_outage_of_many_causes_is_few_lines():
    outage = Outage(FakeClock().monotonic)
    outage.is_logged = True
    with capture_logs() as lines:
        for number in range(100):
            outage.failed(f"cause {number}", writing=True)
    assert len(lines) == 5
