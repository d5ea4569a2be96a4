"""Settings, clock, database, sealer and audit log, which all other parts use."""

import os
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING

from issuer.audit import AuditWriter, ChainKey, Checkpoints, RefusalAggregator, Retention, Trails
from issuer.audit.counts_store import TokenCounts
from issuer.clock import Clock, ClockWatch
from issuer.database import Database
from issuer.database.deployment import current_revision, require_compatible_schema
from issuer.errors import ConfigurationError
from issuer.keys import Keyring
from issuer.keys import sealed_secrets_store as purposes
from issuer.keys.jwks import StatementReader
from issuer.keys.sealing import Sealer, read_master_key_file, read_master_keys
from issuer.settings import Settings
from issuer.telemetry.metrics import Metrics
from issuer.telemetry.otel import environment as otel
from issuer.telemetry.tracing import Telemetry, Tracing
from issuer.vocabulary import AUDIT_CHECKPOINT_TYPE

if TYPE_CHECKING:
    from issuer.audit.push.pusher import Pusher
    from issuer.audit.verification import Verification

MASTER_KEY = "master.key"

# Imports stand where they are used: the libraries need memory and time, and those of Prometheus
# read the environment on import.


def build_telemetry(settings: Settings, environment: Mapping[str, str] | None = None) -> Telemetry:
    """Only what something may read. `environment` is that of the process by default."""
    environment = os.environ if environment is None else environment
    sends_metrics = otel.wants(otel.METRICS, environment)
    tracing = Tracing()
    if otel.wants(otel.TRACES, environment):
        from issuer.telemetry.otel.traces import OpenTelemetryTracing  # noqa: PLC0415 - an extra

        tracing = OpenTelemetryTracing(otel.server_resource(environment))
    if settings.metrics_token is None and not sends_metrics:
        return Telemetry(Metrics(), tracing)
    from issuer.telemetry.prometheus import PrometheusMetrics  # noqa: PLC0415 - 1.0 MB

    metrics = PrometheusMetrics()
    write_gauges = metrics.write_gauges if metrics.are_of_workers else None
    if not sends_metrics:
        return Telemetry(metrics, tracing, write_gauges)
    from issuer.telemetry.otel.metrics import MetricExport  # noqa: PLC0415 - an extra

    export = MetricExport(metrics.of_this_process, otel.server_resource(environment)).export
    return Telemetry(metrics, tracing, write_gauges, export, otel.export_interval(environment))


class Foundation:
    """On an initialised database of the current schema; `ConfigurationError` otherwise."""

    def __init__(
        self, settings: Settings, clock: Clock, sealer: Sealer, telemetry: Telemetry
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.clock_watch = ClockWatch(clock)
        self.sealer = sealer
        self.telemetry = telemetry
        self.metrics = telemetry.metrics
        self.random = SystemRandom()  # cryptographic
        self.database = Database(settings.effective_database_url, settings.database_pool, telemetry)
        require_compatible_schema(self.database)
        with self.database.reading() as session:
            self.hmac_key = purposes.open_secret(session, sealer, purposes.CLIENT_SECRETS)
        self.chain_key = ChainKey(self.derive(purposes.AUDIT_CHAINS))
        self.trails = Trails(self.chain_key, clock)

    def derive(self, purpose: str) -> bytes:
        """A secret of its own for each purpose."""
        return purposes.derive(self.hmac_key, purpose)


def require_master_key(settings: Settings) -> None:
    """`ConfigurationError` without a master key; it says whether to init or restore a backup."""
    if settings.master_key is not None or (path := master_key_path(settings)).exists():
        return
    if is_initialised(settings):
        raise lost_master_key(path)
    why = "ISSUER_DATA_DIR names another directory than your issuer's, or it is not mounted"
    if "data_dir" not in settings.model_fields_set:
        why = "ISSUER_DATA_DIR is not set: set it to the data directory of your issuer"
    raise ConfigurationError(
        f"There is no master key at {path.absolute()}. {why}. Only for a new issuer, run"
        " `issuer init`."
    )


def is_initialised(settings: Settings) -> bool:
    """Whether `issuer init` made something in the database. Creates no file."""
    database = Database(settings.effective_database_url)
    try:
        is_there = not database.is_sqlite or Path(str(database.url.database)).exists()
        return is_there and is_sealed(database)
    finally:
        database.dispose()


def is_sealed(database: Database) -> bool:
    """Whether the database holds something that was sealed with a master key."""
    if current_revision(database) is None:
        return False
    with database.reading() as session:
        return purposes.is_kept(session, purposes.CLIENT_SECRETS)


def lost_master_key(path: Path) -> ConfigurationError:
    """The error where only a backup helps: a new key from `init` would open nothing."""
    return ConfigurationError(
        f"The master key {path} is missing, and keys in this database are encrypted with it:"
        " restore the file from your backup."
    )


def build_sealer(settings: Settings) -> Sealer:
    """The sealer under the master key of the settings or of the data directory."""
    read = partial(read_master_key_file, master_key_path(settings))
    if settings.master_key is not None:
        read = partial(read_master_keys, settings.master_key.get_secret_value())
    read()  # now, so that an error is raised before anything is done
    return Sealer(read, secrets.token_bytes)


def master_key_path(settings: Settings) -> Path:
    return settings.data_dir / MASTER_KEY


class AuditParts:
    """`pusher` is None if audit events are not sent elsewhere."""

    def __init__(self, foundation: Foundation, keyring: Keyring) -> None:
        settings, clock, random = foundation.settings, foundation.clock, foundation.random
        database, chain_key = foundation.database, foundation.chain_key

        def signed(claims: Mapping[str, object]) -> str:
            alg = settings.signing_algorithms[0]
            return keyring.sign(alg, AUDIT_CHECKPOINT_TYPE, claims).token

        self.foundation = foundation
        self.keyring = keyring
        self.refusals = RefusalAggregator(database, chain_key, random)
        self.writer = AuditWriter(
            database, chain_key, random, self.refusals, metrics=foundation.metrics
        )
        self.checkpoints = Checkpoints(database, clock, settings.url, chain_key, signed)
        self.token_counts = TokenCounts(database, clock)
        self.pusher: Pusher | None = None
        if settings.audit_push_url is None:
            return
        # Imported here: most issuers push nowhere.
        from issuer.audit.push import destination, pusher  # noqa: PLC0415 - for administrators

        there = pusher.build_destination(settings)
        renderer = destination.RENDERERS[settings.audit_format]
        self.pusher = pusher.Pusher(database, clock, random, there, renderer)

    def make_checkpoint(self) -> None:
        """Make a checkpoint, unless another process has just made one."""
        every = self.foundation.settings.audit_checkpoint_every
        self.checkpoints.make(self.foundation.clock() - every / 2)

    def prune(self) -> None:
        """Delete the audit events that are older than `ISSUER_AUDIT_KEEP`."""
        if (keep := self.foundation.settings.audit_keep) is not None:
            audited = (self.foundation.chain_key, self.foundation.trails, self.checkpoints)
            Retention(self.foundation.database, self.foundation.clock, *audited, keep).prune()

    def verify(self, kept: Sequence[str] = ()) -> "Verification":
        """Whether every audit event, and each checkpoint `kept` elsewhere, is as it was written."""
        from issuer.audit.verification import verify  # noqa: PLC0415 - for administrators

        reader = StatementReader(AUDIT_CHECKPOINT_TYPE, lambda: self.keyring.keys)
        return verify(self.foundation.database, self.foundation.chain_key, reader.read, kept)
