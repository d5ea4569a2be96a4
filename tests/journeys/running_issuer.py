"""An issuer in its own processes, as in production, and an operator in this process."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import httpx

from issuer.clock import Clock
from issuer.composition import compose
from issuer.settings import Settings
from issuer.users.passwords import NewPassword
from tests.builders import Deployment, initialised
from tests.drivers import TokenDriver
from tests.hashes import hashing_as_in_production

REPOSITORY = Path(__file__).parents[2]
# A shared pool that closes excess connections closes those of other threads at times.
NO_LIMITS = httpx.Limits(keepalive_expiry=None)
# Nothing takes so long, unless it is broken or the machine is busy.
SECONDS_TO_START = 120
SECONDS_TO_STOP = 60
_SHOWN_OF_LOG = 20_000
BETWEEN_POLLS = 0.02
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
OURS = [sys.executable, "-P", "-m", "issuer"]


class Server:
    """One server process. `log` has the output of all its starts.

    `program` is the `issuer` to run; `environment` is its whole environment.
    """

    def __init__(
        self,
        environment: dict[str, str],
        port: int,
        folder: Path,
        program: Sequence[str] = OURS,
        workers: int = 1,
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=30, limits=NO_LIMITS, trust_env=False)
        self.token_endpoint = TokenDriver(self.http)
        self.port = port
        self.environment = environment
        self.folder = folder
        self._command = [*program, "serve", "--port", str(port), "--workers", str(workers)]
        self._output = folder / f"server-{port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._output.read_text(errors="replace")

    def start(self) -> None:
        """Return when `/readyz` answers 200; `AssertionError` with the log if it never does."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment,
                preexec_fn=end_with_the_tests,  # noqa: PLW1509 - one system call, no lock
            )
        for _ in polls(SECONDS_TO_START):
            if self._process.poll() is not None:
                break
            with suppress(httpx.TransportError):
                if self.http.get("/readyz").status_code == httpx.codes.OK:
                    return
        raise AssertionError(f"The server did not start ({self._process.poll()}):\n{self.log}")

    @property
    def pid(self) -> int:
        """The process that was started last."""
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL: no time to clean up."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Start again after a `kill`, on the same port."""
        self.start()

    def stop(self) -> None:
        """Stop it as a service manager does, if it still runs; `AssertionError` on failure."""
        self.http.close()
        sys.stderr.write(self.log[-_SHOWN_OF_LOG:])  # pytest shows it where a test has failed
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            status = self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"The server did not stop:\n{self.log}") from None
        assert status in {0, -signal.SIGTERM}, f"It ended with status {status}:\n{self.log}"


class DeploymentOfServer(Deployment):
    """The hashes are those of its server, which is in a process of its own."""

    def hashed(self, password: str) -> NewPassword:
        with hashing_as_in_production():
            return super().hashed(password)


class RunningIssuer(Server):
    """A deployment on `database_url` (default: SQLite in the data directory) and its server.

    `deployment` is the operator: it changes the same database from this process. `settings` are
    those of docs/reference/settings.md, in lower case and without their prefix.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str | None = None,
        workers: int = 1,
        program: Sequence[str] = OURS,
        host: str = "127.0.0.1",
        **settings: str,
    ) -> None:
        self._held = ExitStack()
        port = self._held.enter_context(reserved_port())
        environment = {
            **process_environment(),
            "PYTHONPATH": str(REPOSITORY),
            "ISSUER_URL": f"http://{host}:{port}",
            "ISSUER_DATA_DIR": str(folder / "data"),
            "ISSUER_PASSWORD_HASH": "owasp",
            "ISSUER_SIGN_IN_FAILURES": "1000",
            **({"ISSUER_DATABASE_URL": database_url} if database_url else {}),
            **{f"ISSUER_{name.upper()}": value for name, value in settings.items()},
        }
        super().__init__(environment, port, folder, program, workers)
        self.settings = Settings.from_environment(environment)
        admin = initialised(self.settings, Clock())
        services = compose(self.settings)
        self._held.callback(services.database.dispose)
        self.deployment = DeploymentOfServer(services, admin, self.http)
        self.deployment.audience("my-os")

    def __enter__(self) -> Self:
        self._held.callback(self.stop)
        try:
            self.start()
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    @contextmanager
    def replica(self) -> Iterator[Server]:
        """A second server of the deployment, on its own port, as behind a load balancer."""
        with reserved_port() as port:
            server = Server(self.environment, port, self.folder)
            try:
                server.start()
                yield server
            finally:
                server.stop()


@contextmanager
def reserved_port() -> Iterator[int]:
    """A loopback port that no other process gets while the block lasts.

    A socket that is bound but does not listen keeps it, and lets a server share it (both set
    SO_REUSEADDR), also one that starts again.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def process_environment() -> dict[str, str]:
    """The environment of every process, without `ISSUER_…` and `PYTHON…` variables."""
    inherited = {"PATH", "HOME", "TMPDIR", "LANG"}
    return {name: value for name, value in os.environ.items() if name in inherited}


def end_with_the_tests() -> None:
    """Runs in the new process: it ends with a killed test run (on Linux)."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def polls(seconds: float) -> Iterator[float]:
    """The seconds passed, repeatedly with short pauses, until `seconds` are over."""
    started = time.monotonic()
    while (passed := time.monotonic() - started) < seconds:
        yield passed
        time.sleep(BETWEEN_POLLS)


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Return as soon as the condition holds; `AssertionError` after `seconds`."""
    for _ in polls(seconds):
        if condition():
            return
    raise AssertionError(f"Not within {seconds} s: {what}.")
