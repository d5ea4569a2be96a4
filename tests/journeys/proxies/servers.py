"""Caddy, nginx and HAProxy, with the configurations of `docs/how-to/run-behind-a-proxy.md`."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.journeys.running_issuer import (
    REPOSITORY,
    end_with_the_tests,
    polls,
    process_environment,
    reserved_port,
)

PAGE = REPOSITORY / "docs" / "how-to" / "run-behind-a-proxy.md"
SECONDS_TO_START = 10
# Debian installs some of them into the path of root only.
SEARCHED = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
UPSTREAM = "127.0.0.1:9000"

NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{page}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """How a proxy runs in a test. `instead` replaces the lines of the page that need TLS."""

    name: str
    language: str
    instead: dict[str, str]
    command: Callable[[str, Path], list[str]]
    whole: str = "{page}"

    @property
    def program(self) -> str | None:
        """None if it is not installed."""
        return shutil.which(self.name, path=SEARCHED)

    def configuration(self, port: int, upstream: int, folder: Path) -> str:
        """The configuration of the page, on loopback and without TLS."""
        (found,) = re.findall(rf"```{self.language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
        for line, other in {**self.instead, UPSTREAM: f"127.0.0.1:{upstream}"}.items():
            assert line in found, f"{PAGE.name} has no longer: {line}"
            found = found.replace(line, other.format(port=port))
        return self.whole.format(page=found, folder=folder)

    @contextmanager
    def running(self, upstream: int, folder: Path) -> Iterator[int]:
        """The port, once it listens; `AssertionError` with its output if it does not."""
        assert self.program is not None
        folder.mkdir()
        file, log = folder / "configuration", folder / "log"
        with reserved_port() as port, log.open("wb") as output:
            file.write_text(self.configuration(port, upstream, folder))
            with subprocess.Popen(
                [self.program, *self.command(str(file), folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**process_environment(), "HOME": str(folder)},
                preexec_fn=end_with_the_tests,  # noqa: PLW1509 - one system call, no lock
            ) as process:
                try:
                    assert _listens(port, process), log.read_text()
                    yield port
                finally:
                    process.terminate()


@dataclass(frozen=True)
class Directly:
    """No proxy: callers connect to the issuer itself."""

    name: str = "none"
    program: str | None = ""

    @contextmanager
    def running(self, upstream: int, folder: Path) -> Iterator[int]:
        yield upstream


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    for _ in polls(SECONDS_TO_START):
        if process.poll() is not None:
            return False
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    return False


PROXIES: tuple[Proxy | Directly, ...] = (
    Directly(),
    Proxy(
        "caddy",
        "caddyfile",
        {"id.example {": "{{\n\tadmin off\n}}\nhttp://:{port} {{\n\tbind 127.0.0.1"},
        lambda file, folder: ["run", "--adapter", "caddyfile", "--config", file],
    ),
    Proxy(
        "nginx",
        "nginx",
        {
            "listen 443 ssl;": "listen 127.0.0.1:{port};",
            "ssl_certificate /etc/ssl/id.example.pem;": "",
            "ssl_certificate_key /etc/ssl/id.example.key;": "",
        },
        lambda file, folder: ["-c", file, "-p", str(folder)],
        NGINX,
    ),
    Proxy(
        "haproxy",
        "haproxy",
        {":443 ssl crt /etc/haproxy/id.example.pem alpn h2,http/1.1": "127.0.0.1:{port}"},
        lambda file, folder: ["-db", "-f", file],
    ),
)
