"""`issuer quickstart --agentos`: an issuer, and an AgentOS that verifies its tokens."""

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
from issuer.cli.agentos_walkthrough import Walkthrough
from issuer.cli.demo import ensure_demo
from issuer.cli.opening import administering, operator, read_settings
from issuer.cli.serving import address, listen, serve
from issuer.errors import ConfigurationError
from issuer.settings import PREFIX, Settings
from issuer.setup import initialise

_HERE = "127.0.0.1"
_SECONDS_TO_END = 3


def demonstrate(port: int, agentos_port: int, *, as_json: bool) -> None:
    """Run the demo, then serve until a signal. `IssuerError` if a step has an unexpected result."""
    _require_agno()
    with listen(_HERE, port) as listener, _temporary_deployment(address(listener)) as settings:
        with administering(settings) as administration:
            demo = ensure_demo(administration, operator())
        with _agent_os(agentos_port, settings.url, demo.audience) as agent_os:
            walkthrough = Walkthrough(settings, demo, agent_os)
            demo_thread = _DemoThread(lambda: _print_steps(walkthrough, as_json=as_json))
            try:
                serve(settings, listener, announce=demo_thread.start)
            finally:
                demo_thread.stopped.set()
                if demo_thread.error is not None:
                    raise demo_thread.error


def _print_steps(walkthrough: Walkthrough, *, as_json: bool) -> None:
    for paragraph in walkthrough.paragraphs():
        if not as_json:
            print(paragraph, end="\n\n", flush=True)
    if as_json:
        output.print_line(walkthrough.as_members())


class _DemoThread(threading.Thread):
    """Runs beside the server, and stops it on an error."""

    def __init__(self, steps: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.error: Exception | None = None
        self.stopped = threading.Event()
        self._steps = steps

    def run(self) -> None:
        try:
            self._steps()
        except Exception as error:
            if self.stopped.wait(_SECONDS_TO_END):
                return  # the servers were stopped during the demo
            self.error = error
            os.kill(os.getpid(), signal.SIGTERM)


def _require_agno() -> None:
    try:
        spec = find_spec("agno.os")
    except ModuleNotFoundError:
        spec = None
    if spec is None:
        raise ConfigurationError("agno is not installed. Run pip install 'agno[os]', or make demo.")


@contextmanager
def _temporary_deployment(url: str) -> Iterator[Settings]:
    """A deployment that is deleted afterwards.

    The demo revokes keys, so no setting may point it at another deployment.
    """
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
    """The URL of an AgentOS that runs until the end of the block, or of this process."""
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
