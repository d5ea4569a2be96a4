"""A PostgreSQL as in a deployment: reached by TCP, with passwords and without TLS."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from tests.databases import connect, running_server
from tests.journeys.running_issuer import reserved_port

# With characters that a URL may hold unescaped, and that a careless redaction would miss.
PASSWORD = "s3cr3t:/w0rd"


@dataclass(frozen=True)
class PostgresqlServer:
    """A server of its own, so that a test may break it; `port` is that of TCP and of the socket."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL of an empty database that its user owns."""
        return f"postgresql://issuer:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/issuer"

    def execute(self, *statements: str) -> None:
        """Each as the superuser, in the database `issuer`."""
        self.execute_elsewhere(*statements, dbname="issuer")

    def execute_elsewhere(self, *statements: str, dbname: str = "postgres") -> None:
        """The same from another database."""
        with connect(self.host, port=self.port, dbname=dbname) as connection:
            for statement in statements:
                connection.execute(statement)

    def set_read_only(self, value: bool) -> None:
        """As after a failover to a standby, or when an operator fences a server."""
        self.execute(
            f"ALTER SYSTEM SET default_transaction_read_only = {'on' if value else 'off'}",
            "SELECT pg_reload_conf()",
        )


@pytest.fixture(scope="session")
def own_postgresql() -> Iterator[PostgresqlServer]:
    with (
        reserved_port() as port,
        running_server(listen_addresses="127.0.0.1", port=str(port)) as host,
    ):
        with connect(host, port=port) as connection:
            connection.execute(f"CREATE ROLE issuer LOGIN PASSWORD '{PASSWORD}'")
            connection.execute(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
            connection.execute("CREATE DATABASE issuer OWNER issuer")
            connection.execute("REVOKE CONNECT ON DATABASE issuer FROM public")
        yield PostgresqlServer(host, port)


@pytest.fixture
def empty_postgresql(own_postgresql: PostgresqlServer) -> PostgresqlServer:
    """The server with an empty database, and the password that its user had at first."""
    with connect(own_postgresql.host, port=own_postgresql.port) as connection:
        connection.execute(f"ALTER ROLE issuer PASSWORD '{PASSWORD}'")
        connection.execute("DROP DATABASE IF EXISTS issuer WITH (FORCE)")
        connection.execute("CREATE DATABASE issuer OWNER issuer")
        connection.execute("REVOKE CONNECT ON DATABASE issuer FROM public")
    return own_postgresql
