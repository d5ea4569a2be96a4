"""Gauges: what the parts of this process hold now, read before each answer of `/metrics`."""

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge

from issuer.audit import AuditWriter, Checkpoints
from issuer.audit.push import Pusher
from issuer.background.workers import WorkerPool
from issuer.clock import Clock
from issuer.composition.tokens import TokenParts
from issuer.database import Database
from issuer.keys import Keyring
from issuer.telemetry.metrics import KEY_SETS
from issuer.verifiers import ReportedVerifiers


@dataclass(frozen=True)
class Watched:
    """The parts of a server whose state is shown."""

    clock: Clock
    keyring: Keyring
    verifiers: ReportedVerifiers
    database: Database
    tokens: TokenParts
    audit_writer: AuditWriter
    checkpoints: Checkpoints
    audit_pusher: Pusher | None
    pools: Sequence[WorkerPool]


class Gauges:
    """With several workers, each writes its own into its file: as often as `set_all` is called."""

    def __init__(self, registry: CollectorRegistry, watched: Watched) -> None:
        self._watched = watched
        self._registry = registry
        self._workers = self._gauge("issuer_workers", "Server processes that are running.")
        self._up = self._gauge(
            "issuer_database_up", "1 unless the last use of the database failed.", mode="livemin"
        )
        self._connections = self._gauge(
            "issuer_database_connections", "Connections of the pool, by state.", ["state"]
        )
        self._most_connections = self._gauge(
            "issuer_database_connections_max", "Connections that the pools may open."
        )
        self._writers = self._gauge(
            "issuer_database_writers_waiting", "Threads that wait to write to SQLite."
        )
        self._events = self._gauge(
            "issuer_audit_events_waiting", "Events that wait for the audit log."
        )
        self._writable = self._gauge(
            "issuer_audit_writable", "1 unless the last commit of events failed.", mode="livemin"
        )
        self._checkpoint = self._gauge(
            "issuer_audit_checkpoint_timestamp_seconds",
            "When a checkpoint last covered all events; 0 if none did since the start.",
            mode="max",
        )
        self._tasks = self._gauge(
            "issuer_worker_pool_tasks", "Tasks that run or wait in a pool.", ["pool"]
        )
        self._most_tasks = self._gauge(
            "issuer_worker_pool_tasks_max", "Tasks beyond which a pool refuses.", ["pool"]
        )
        self._key_sets = self._gauge(
            "issuer_key_sets",
            "Key sets of other servers that are followed, by whether one is held.",
            ["of", "state"],
            mode="livemax",
        )
        self._key_set_age = self._gauge(
            "issuer_key_set_age_seconds",
            "Seconds since the key set that was confirmed longest ago was confirmed.",
            ["of"],
            mode="livemax",
        )

    def set_all(self) -> None:
        """Read everything. No queries."""
        self._workers.set(1)
        self._set_database()
        self._set_audit()
        self._set_key_sets()
        for pool in self._watched.pools:
            self._tasks.labels(pool.name).set(pool.inside)
            self._most_tasks.labels(pool.name).set(pool.most)

    def _set_database(self) -> None:
        database = self._watched.database
        in_use, idle, most = database.connections
        self._up.set(database.outage.cause is None)
        self._connections.labels("in_use").set(in_use)
        self._connections.labels("idle").set(idle)
        self._most_connections.set(most)
        self._writers.set(database.write_queue.waiting)

    def _set_audit(self) -> None:
        writer, covered = self._watched.audit_writer, self._watched.checkpoints.covered_at
        self._events.set(writer.waiting)
        self._writable.set(writer.failure is None)
        self._checkpoint.set(covered.timestamp() if covered else 0)

    def _set_key_sets(self) -> None:
        ages = self._watched.tokens.key_set_ages
        for of in KEY_SETS:
            held = ages.get(of, ())
            known = [age for age in held if age is not None]
            self._key_sets.labels(of, "held").set(len(known))
            self._key_sets.labels(of, "missing").set(len(held) - len(known))
            self._key_set_age.labels(of).set(max(known, default=0))

    def _gauge(
        self, name: str, text: str, labels: Sequence[str] = (), mode: str = "livesum"
    ) -> Gauge:
        """`mode` says what one worker shows for all."""
        return Gauge(name, text, labels, registry=self._registry, multiprocess_mode=mode)  # type: ignore[arg-type]
