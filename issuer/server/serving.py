"""Run the server: a listening socket, one process or several, a clean end."""

import errno
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import uvicorn

from issuer.composition import composed
from issuer.database import Database
from issuer.database.only_one import as_server
from issuer.errors import ConfigurationError, Unavailable
from issuer.rate_limits.limits import build_limits
from issuer.server.app import app_from_environment
from issuer.server.connection import BoundedConnection
from issuer.server.connection_limit import limit_connections
from issuer.server.processes import fork_workers
from issuer.settings import Settings
from issuer.telemetry.logs import get_logger
from issuer.telemetry.metrics import FOLDER_OF_WORKERS

_BACKLOG = 2048
_SECONDS_TO_FINISH = 10
# Longer than proxies keep theirs (60 s): one would send into a connection we are closing.
_SECONDS_IDLE = 75

log = get_logger(__name__)


@contextmanager
def shared_metrics(settings: Settings) -> Iterator[None]:
    """Workers forked in the block share a folder, deleted when the parent leaves the block.

    None is created if metrics are off, or if the environment already names a folder.
    """
    if settings.metrics_token is None or os.environ.get(FOLDER_OF_WORKERS):
        yield
        return
    try:
        parent, folder = os.getpid(), tempfile.mkdtemp(prefix="issuer-metrics-")
    except OSError as error:
        raise ConfigurationError(
            f"Cannot create a folder for the metrics of the workers: {error}."
            f" Set {FOLDER_OF_WORKERS} to a folder, or unset ISSUER_METRICS_TOKEN."
        ) from None
    os.environ[FOLDER_OF_WORKERS] = folder
    try:
        yield
    finally:
        if os.getpid() == parent:
            rmtree(folder, ignore_errors=True)


def forget_gauges(worker: int) -> None:
    """What an ended worker held counts no more; what it counted stays."""
    if folder := os.environ.get(FOLDER_OF_WORKERS):
        # As `mark_process_dead` of the library, which the parent does not import.
        for file in Path(folder).glob(f"gauge_live*_{worker}.db"):
            file.unlink(missing_ok=True)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; `ConfigurationError` says why there can be none."""
    if not host:  # the system takes it as every address; it is more likely an unset variable
        raise ConfigurationError(
            "--host is empty: name an address, such as 0.0.0.0 for all of IPv4."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            reason = "is taken by another program: end it, or choose another with --port"
        else:
            reason = f"cannot be used: {error}"
        raise ConfigurationError(f"The address {host}, port {port}, {reason}.") from None


def address(listener: socket.socket) -> str:
    """The URL under which this machine reaches the listener."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def preflight(settings: Settings, workers: int = 1) -> None:
    """`IssuerError` unless a server can start.

    Warns if all `workers` together may need more connections than PostgreSQL allows. Of several
    workers none has to create keys, and an error is raised once, before they are forked.
    """
    with composed(settings) as parts:
        build_limits(settings, parts.clock)
        needed, allowed = workers * settings.database_pool, parts.database.connections_allowed()
        if allowed is not None and needed > allowed:
            log.warning(
                "database_pool_too_large",
                workers=workers,
                pool=settings.database_pool,
                max_connections=allowed,
                remedy="Lower ISSUER_DATABASE_POOL, or raise max_connections of PostgreSQL.",
            )
        if workers > 1:
            parts.background.prepare()


def serve(
    settings: Settings,
    listener: socket.socket,
    workers: int = 1,
    *,
    announce: Callable[[], None] = lambda: None,
) -> None:
    """Serve until a signal. `announce` is called once, when the first worker answers.

    `ConfigurationError` while the database is restored.
    """
    with as_server(Database(settings.effective_database_url)):
        _serve_until_a_signal(settings, listener, workers, announce)


def _serve_until_a_signal(
    settings: Settings, listener: socket.socket, workers: int, announce: Callable[[], None]
) -> None:
    announces = True
    if workers > 1:
        # Before the fork: what it needs is in memory once for all workers.
        import issuer.server.admin_and_pages  # noqa: F401, PLC0415 - 20 MB

        with shared_metrics(settings):
            announces = fork_workers(workers, forget_gauges)

    class ServedConnection(BoundedConnection):
        limit = limit_connections(settings.max_connections)

    config = uvicorn.Config(
        app_from_environment,
        factory=True,
        loop="uvloop",
        http=ServedConnection,
        ws="none",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=_SECONDS_IDLE,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        # No limit_concurrency: it counts idle connections and answers without `Retry-After`.
        # The worker pools and the audit queue refuse excess requests (docs/reference/limits.md).
    )
    try:
        announced = announce if announces else lambda: None
        _Server(config, address(listener), announced).run(sockets=[listener])
    except SystemExit as end:
        if end.code:
            raise Unavailable("The server could not start. See its log for the cause.") from None
        if workers > 1:
            _end_without_exit_handlers()
        raise


def _end_without_exit_handlers() -> None:
    """End a forked process: at exit, psycopg's OpenSSL may wait for locks held during the fork."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


class _Server(uvicorn.Server):
    """Calls `announce` once it answers."""

    def __init__(self, config: uvicorn.Config, url: str, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._url = url
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        log.info("listening", url=self._url)
        self._announce()
