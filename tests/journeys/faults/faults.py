"""What happens to the database, to the network before it, or to the clock of a machine."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import psycopg

from tests.journeys.faults.site import FaultSite
from tests.journeys.running_issuer import polls

SHORT, LONG = 10, 30  # seconds
MEGABYTE = 1024 * 1024


def wait(seconds: float) -> None:
    for _ in polls(seconds):
        pass


@contextmanager
def failover(site: FaultSite) -> Iterator[None]:
    """kill -9 of the primary; five seconds later the standby is promoted."""
    site.cluster.primary.kill()
    wait(SHORT / 2)
    site.cluster.promote()
    site.node = site.cluster.standby
    yield


@contextmanager
def read_only(site: FaultSite) -> Iterator[None]:
    site.cluster.primary.set("default_transaction_read_only", "on")
    wait(SHORT)
    site.cluster.primary.set("default_transaction_read_only", "off")
    yield


@contextmanager
def connection_limit(site: FaultSite) -> Iterator[None]:
    """Others hold all connections; those of the servers were closed."""
    node = site.cluster.primary
    node.execute("CREATE ROLE others LOGIN")
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'issuer'"
    with ExitStack() as held:
        superuser = held.enter_context(node.connection())
        for _ in polls(SHORT):
            with suppress(psycopg.OperationalError):
                while True:
                    held.enter_context(node.connection(user="others"))
            superuser.execute(end)
    yield


@contextmanager
def stalled_network(site: FaultSite) -> Iterator[None]:
    """Of one machine; the other one works."""
    with ExitStack() as held:
        for network in site.networks:
            held.enter_context(network.stalled())
        wait(LONG)
    yield


@contextmanager
def stopped_database(site: FaultSite) -> Iterator[None]:
    """SIGSTOP of every process of the primary: connections stay open, nothing is answered."""
    site.cluster.primary.signal(signal.SIGSTOP)
    wait(LONG)
    site.cluster.primary.signal(signal.SIGCONT)
    yield


@contextmanager
def lost_standby(site: FaultSite) -> Iterator[None]:
    """kill -9 of the standby: commits wait until it is back."""
    site.cluster.standby.kill()
    wait(LONG)
    site.cluster.standby.start()
    yield


@contextmanager
def full_disk(site: FaultSite) -> Iterator[None]:
    disk = site.folder
    fill(disk / "ballast")
    wait(SHORT)
    (disk / "ballast").unlink()
    node = site.node
    if node is not None and node.process.poll() is not None:
        node.start()  # as a service manager does
    yield


def clock_step(step: timedelta):
    @contextmanager
    def stepped(site: FaultSite) -> Iterator[None]:
        """The clock of one machine, and back."""
        site.clock.write_text(f"{step.total_seconds():+.0f}s")
        wait(SHORT)
        site.clock.write_text("+0s")
        yield

    return stepped


def fill(path: Path) -> None:
    """Fill the disk completely."""
    with path.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096, 1):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
