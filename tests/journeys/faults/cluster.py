"""PostgreSQL as operators run it for availability: a primary and a synchronous standby."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.databases import (
    INITDB,
    SETTINGS,
    connect,
    folder_for_data,
    new_folder,
    options,
    programs_and_user,
    wait_until_ready,
)
from tests.journeys.running_issuer import end_with_the_tests, reserved_port, wait_until

PASSWORD = "s3cr3t"
SECONDS = 60
STANDBY = "standby"
FOR_REPLICATION = {
    "listen_addresses": "127.0.0.1",
    "wal_level": "replica",
    "max_wal_senders": "8",
    "max_wal_size": "48MB",
    "min_wal_size": "32MB",
    "full_page_writes": "on",  # for the base backup
}


@dataclass
class Node:
    """One PostgreSQL; `home` has its programs and socket."""

    home: Path
    data: Path
    port: int
    programs: Path
    as_user: dict[str, object]
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def run(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [self.programs / program, *arguments],
            check=True,
            stdout=sys.stderr,
            cwd=self.home,
            **self.as_user,
        )

    def start(self) -> None:
        more = {"port": str(self.port), "unix_socket_directories": str(self.home)}
        settings = {**SETTINGS, **FOR_REPLICATION, **self.settings, **more}
        self.process = subprocess.Popen(
            [self.programs / "postgres", "-D", self.data, *options(settings)],
            stdout=sys.stderr,
            cwd=self.home,
            start_new_session=True,
            preexec_fn=end_with_the_tests,  # noqa: PLW1509 - one system call, no lock
            **self.as_user,
        )
        wait_until_ready(str(self.home), self.process, str(self.port))

    def signal(self, number: signal.Signals) -> None:
        """To every process of the server, as when its machine is lost or stopped."""
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, check=False
        )
        for pid in (self.process.pid, *map(int, found.stdout.split())):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()

    def connection(self, **more: object) -> psycopg.Connection:
        return connect(str(self.home), port=self.port, **more)

    def execute(self, *statements: str, dbname: str = "postgres") -> None:
        """Each as the superuser."""
        with self.connection(dbname=dbname) as connection:
            for statement in statements:
                connection.execute(statement)

    def set(self, name: str, value: str) -> None:
        self.execute(f"ALTER SYSTEM SET {name} = {value}", "SELECT pg_reload_conf()")


@dataclass(frozen=True)
class Cluster:
    primary: Node
    standby: Node

    def url(self, *ports: int) -> str:
        """Both nodes, reached at `ports`; only the one that accepts writes is used."""
        hosts, numbers = ",".join(["127.0.0.1"] * len(ports)), ",".join(map(str, ports))
        return (
            f"postgresql://issuer:{PASSWORD}@/issuer"
            f"?host={hosts}&port={numbers}&target_session_attrs=read-write"
        )

    def is_replicating(self) -> bool:
        query = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        with self.primary.connection() as connection:
            return connection.execute(query).fetchone() == (1,)

    def promote(self) -> None:
        self.standby.execute("SELECT pg_promote()")


@contextmanager
def running_cluster(where: Path | None = None) -> Iterator[Cluster]:
    """With the role and database `issuer`. The data of the primary are in `where`."""
    with ExitStack() as held:
        home = held.enter_context(new_folder(Path("/tmp")))
        folders = [
            held.enter_context(new_folder(each or folder_for_data())) for each in (where, None)
        ]
        programs, as_user = programs_and_user(home, folders[0])
        if as_user:
            subprocess.run(["chown", "-R", "nobody", folders[1]], check=True)
        primary, standby = (
            Node(home, folder, held.enter_context(reserved_port()), programs, as_user)
            for folder in folders
        )
        primary.run("initdb", "--pgdata", primary.data, *options(INITDB))
        held.callback(primary.stop)
        primary.start()
        primary.execute(
            f"CREATE ROLE issuer LOGIN PASSWORD '{PASSWORD}'", "CREATE DATABASE issuer OWNER issuer"
        )
        source = f"host={home} port={primary.port} user=postgres application_name={STANDBY}"
        primary.run("pg_basebackup", "-d", source, "-D", standby.data, "-R", "-c", "fast")
        held.callback(standby.stop)
        standby.start()
        primary.set("synchronous_standby_names", STANDBY)
        cluster = Cluster(primary, standby)
        wait_until(cluster.is_replicating, SECONDS, "the standby follows synchronously")
        yield cluster
