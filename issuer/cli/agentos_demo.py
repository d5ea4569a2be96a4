"""`issuer quickstart --agentos`: an issuer and an AgentOS that follows it, and what they do."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from issuer.cli import output
from issuer.cli.agentos_story import Story
from issuer.cli.demo import ensure_demo
from issuer.cli.opening import opened, operator, read_settings
from issuer.cli.serving import address, listen, serve
from issuer.errors import ConfigurationError
from issuer.settings import PREFIX, Settings
from issuer.setup import initialise

_HERE = "127.0.0.1"
_SECONDS_TO_END = 3


def demonstrate(port: int, agentos_port: int, *, as_json: bool) -> None:
    """Show it, then serve until a signal. An `IssuerError` if it did not come out as it should."""
    _require_agno()
    with listen(_HERE, port) as listener, _deployment_of_its_own(address(listener)) as settings:
        with opened(settings) as parts:
            demo = ensure_demo(parts, operator())
        with _agent_os(agentos_port, settings.url, demo.audience) as agent_os:
            story = Story(settings, demo, agent_os)
            telling = _Telling(lambda: _tell(story, as_json=as_json))
            try:
                serve(settings, listener, announce=telling.start)
            finally:
                telling.over.set()
                if telling.problem is not None:
                    raise telling.problem


def _tell(story: Story, *, as_json: bool) -> None:
    for paragraph in story.paragraphs():
        if not as_json:
            print(paragraph, end="\n\n", flush=True)
    if as_json:
        output.print_line(story.as_members())


class _Telling(threading.Thread):
    """Goes on beside the server, and ends it if the story does not come out well."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.problem: Exception | None = None
        self.over = threading.Event()
        self._tell = tell

    def run(self) -> None:
        try:
            self._tell()
        except Exception as error:
            if self.over.wait(_SECONDS_TO_END):
                return  # somebody stopped the servers in the middle of it
            self.problem = error
            os.kill(os.getpid(), signal.SIGTERM)


def _require_agno() -> None:
    try:
        found = find_spec("agno.os")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ConfigurationError(
            "There is no AgentOS here to show: pip install 'agno[os]', or make demo."
        )


@contextmanager
def _deployment_of_its_own(url: str) -> Iterator[Settings]:
    """One that is gone afterwards. It revokes keys: no setting may lead it to another house."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    with TemporaryDirectory(prefix="issuer-demo-", ignore_cleanup_errors=True) as folder:
        os.environ |= {
            f"{PREFIX}URL": url,
            f"{PREFIX}DATA_DIR": str(Path(folder) / "data"),
            f"{PREFIX}JWKS_MAX_AGE": "1s",
            f"{PREFIX}LOG_LEVEL": "warning",
        }
        settings = read_settings()
        initialise(settings, operator())
        yield settings


@contextmanager
def _agent_os(port: int, issuer: str, audience: str) -> Iterator[str]:
    """The URL of one that runs until the end of the block, or of this process."""
    with listen(_HERE, port) as listener:
        url, descriptor = address(listener), listener.fileno()
        module = [sys.executable, "-P", "-m", "issuer.cli.stub_agent_os"]
        process = subprocess.Popen(  # noqa: S603 - our own module
            [*module, str(descriptor), issuer, audience],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[descriptor],
        )
    with process:
        try:
            yield url
        finally:
            process.terminate()
