"""From this version to the next and back, one host at a time, while callers get tokens."""

import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from issuer.database import current_revision
from issuer.database.deployment import REVISION
from tests.builders import Credentials
from tests.drivers import TokenDriver
from tests.journeys.running_issuer import (
    OURS,
    REPOSITORY,
    RunningIssuer,
    Server,
    reserved_port,
    wait_until,
)
from tests.journeys.test_surviving_sigkill import in_threads

NEXT = f"{int(REVISION) + 1:04}"
CALLERS = 4
BETWEEN_CALLS = 0.01  # seconds
ANSWERS_AT_A_STEP = 50
EXPANDING = f'''
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{NEXT}", "{REVISION}"


def upgrade():
    op.add_column("clients", sa.Column("team", sa.String(64), nullable=True))
    op.add_column("roles", sa.Column("rank", sa.Integer(), nullable=False, server_default="1"))
    op.create_table("teams", sa.Column("name", sa.String(64), primary_key=True))
'''

pytestmark = pytest.mark.slow


class UpgradedHost:
    """A host that runs one version at a time, on one port."""

    def __init__(self, issuer: RunningIssuer, port: int) -> None:
        self._issuer = issuer
        self._port = port
        self._lock = threading.Condition()
        self._in_flight = 0
        self.is_in_rotation = False
        self.server: Server | None = None

    def run(self, version: Sequence[str]) -> None:
        """Out of the rotation, stopped, started with this version, and into the rotation again."""
        self.drain()
        folder = self._issuer.folder
        self.server = Server(self._issuer.environment, self._port, folder, version)
        self.server.start()
        self.is_in_rotation = True

    def drain(self) -> None:
        with self._lock:
            self.is_in_rotation = False
            assert self._lock.wait_for(lambda: self._in_flight == 0, timeout=30)
        if self.server is not None:
            self.server.stop()

    @contextmanager
    def asked(self) -> Iterator[str | None]:
        """Its URL while a request is sent there; None if it is not in the rotation."""
        with self._lock:
            url = self.server.url if self.is_in_rotation else None
            self._in_flight += url is not None
        try:
            yield url
        finally:
            with self._lock:
                self._in_flight -= url is not None
                self._lock.notify_all()


@pytest.fixture
def issuer(tmp_path: Path, migrated_database_url: str) -> Iterator[RunningIssuer]:
    """A deployment of this version, whose own server does not run."""
    issuer = RunningIssuer(tmp_path, migrated_database_url)
    try:
        yield issuer
    finally:
        issuer.__exit__()


@pytest.fixture
def next_version(tmp_path: Path) -> list[str]:
    """The program of a version with one migration more, which only adds."""
    folder = tmp_path / "next"
    for package in ("issuer", "migrations"):
        shutil.copytree(REPOSITORY / package, folder / package)
    (folder / "migrations" / "versions" / f"{NEXT}_teams.py").write_text(EXPANDING)
    database = folder / "issuer" / "database"
    replace_in(database / "deployment.py", f'REVISION = "{REVISION}"', f'REVISION = "{NEXT}"')
    first = "    may_set_session: Mapped[bool]\n"  # of clients alone
    more = f"    team: Mapped[str | None] = mapped_column(sa.String(64))\n{first}"
    replace_in(database / "tables.py", first, more)
    return ["env", f"PYTHONPATH={folder}", sys.executable, "-P", "-m", "issuer"]


def replace_in(file: Path, old: str, new: str) -> None:
    before = file.read_text()
    assert before.count(old) == 1
    file.write_text(before.replace(old, new))


def test_no_request_is_refused_at_any_step(issuer: RunningIssuer, next_version: list[str]):
    """Migrate, then upgrade one host after the other; any may return to the old version."""
    client = issuer.deployment.client("caller", scopes=["agents:run"])
    with hosts(issuer) as (first, second), calling((first, second), client) as answers:
        migrated = run(issuer, next_version, "migrate")
        assert migrated == f"Upgraded the schema from {REVISION} to {NEXT}.\n"
        assert current_revision(issuer.deployment.services.database) == NEXT
        assert "works with it" in run(issuer, OURS, "migrate")
        steps = [
            (second, next_version),
            (second, OURS),
            (second, next_version),
            (first, next_version),
            (first, OURS),
            (second, OURS),
            (first, next_version),
            (second, next_version),
        ]
        for number, (host, version) in enumerate(steps):
            host.run(version)
            run(issuer, version, "client", "create", f"made-{number}", "--scope", "agents:run")
            change_with_this_version(issuer, number)
            enough = answers.total() + ANSWERS_AT_A_STEP
            wait_until(lambda: answers.total() >= enough, 60, "answers")  # noqa: B023
    assert answers.keys() == {200}
    found = issuer.deployment.services.audit.verify()
    assert found.finding is None
    assert made_with_the_next(issuer) == 1


def change_with_this_version(issuer: RunningIssuer, number: int) -> None:
    """Old code writes into the new schema."""
    role = issuer.deployment.role(f"made-{number}", ["agents:run"])
    with issuer.deployment.changing() as work:
        work.roles.update(role, {"scopes": ["agents:read"]})


def made_with_the_next(issuer: RunningIssuer) -> int:
    """The default that the database gave to roles of the old version."""
    with issuer.deployment.services.database.reading() as session:
        return session.scalar(text("SELECT DISTINCT rank FROM roles WHERE name LIKE 'made-%'"))


@contextmanager
def hosts(issuer: RunningIssuer) -> Iterator[tuple[UpgradedHost, UpgradedHost]]:
    with ExitStack() as held:
        both = [UpgradedHost(issuer, held.enter_context(reserved_port())) for _ in range(2)]
        for host in both:
            held.callback(host.drain)
            host.run(OURS)
        yield both[0], both[1]


@contextmanager
def calling(hosts: Sequence[UpgradedHost], client: Credentials) -> Iterator[Counter[int]]:
    """Token requests at the hosts in the rotation; the answers by status, 0 without an answer."""
    answers: Counter[int] = Counter()
    in_turn = cycle(hosts)

    def call(stopped: threading.Event) -> None:
        while not stopped.wait(BETWEEN_CALLS):
            with next(in_turn).asked() as url:
                if url is not None:
                    answers[status_of(url, client)] += 1

    with in_threads(CALLERS, call):
        yield answers


def status_of(url: str, client: Credentials) -> int:
    try:
        with httpx.Client(base_url=url, timeout=30, trust_env=False, verify=False) as http:
            return TokenDriver(http).client_credentials(client).status
    except httpx.TransportError:
        return 0


def run(issuer: RunningIssuer, version: Sequence[str], *arguments: str) -> str:
    command = [*version, *arguments]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env=issuer.environment
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
