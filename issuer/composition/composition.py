"""All parts of one issuer, and the few of them that each interface is handed.

Only code that starts a process holds them all.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

from issuer.audit import AuditWriter, RefusalAggregator
from issuer.background.workers import WorkerPool
from issuer.clock import Clock
from issuer.composition.administration import Administration
from issuer.composition.background import BackgroundJobs
from issuer.composition.foundation import AuditParts, build_sealer, require_master_key
from issuer.composition.parts import Parts
from issuer.composition.sign_in import FactorParts, PeopleParts, SignInParts
from issuer.composition.tokens import TokenParts
from issuer.database.deployment import require_issuer
from issuer.directory import ChangeWatcher, Directory
from issuer.keys import Keyring
from issuer.keys import sealed_secrets_store as purposes
from issuer.keys.sealing import SealedTexts, Sealer
from issuer.settings import Settings
from issuer.status.readiness import Readiness
from issuer.status.report import RunningServer
from issuer.telemetry.tracing import Telemetry
from issuer.users import SignIn
from issuer.verifiers.reported import ReportedVerifiers


@dataclass(frozen=True)
class ProtocolParts:
    """What the protocol endpoints use."""

    settings: Settings
    clock: Clock
    keyring: Keyring
    tokens: TokenParts
    sign_in: SignIn
    people: PeopleParts
    audit_writer: AuditWriter
    refusals: RefusalAggregator
    administration: Administration
    verifiers: ReportedVerifiers


@dataclass(frozen=True)
class WebParts:
    """What the pages use."""

    settings: Settings
    clock: Clock
    random: Random
    people: PeopleParts
    sign_in: SignInParts
    factors: FactorParts
    directory: Directory
    changes: ChangeWatcher
    administration: Administration
    audit: AuditParts
    readiness: Readiness
    notices: SealedTexts
    kept_forms: SealedTexts
    anti_forgery_key: bytes = field(repr=False)


class Composition(Parts):
    """The parts, and what is handed to interfaces."""

    @cached_property
    def background(self) -> BackgroundJobs:
        return BackgroundJobs(self)

    @cached_property
    def protocol(self) -> ProtocolParts:
        return ProtocolParts(
            self.settings,
            self.clock,
            self.keys.keyring,
            self.tokens,
            self.sign_in.sign_in,
            self.people,
            self.audit.writer,
            self.audit.refusals,
            self.administration,
            self.verifiers,
        )

    @cached_property
    def web(self) -> WebParts:
        random, derived = self.foundation.random, self.foundation.derived
        return WebParts(
            self.settings,
            self.clock,
            random,
            self.people,
            self.sign_in,
            self.factors,
            self.tokens.directory,
            self.tokens.changes,
            self.administration,
            self.audit,
            self.readiness,
            SealedTexts(derived(purposes.CONSOLE_NOTICES), random),
            SealedTexts(derived(purposes.CONSOLE_KEPT_FORMS), random),
            derived(purposes.ANTI_FORGERY),
        )

    def running(self, pools: Sequence[WorkerPool]) -> RunningServer:
        """What status and metrics show of a server that begins now, with these pools."""
        return RunningServer(
            self.settings,
            self.clock,
            self.database,
            self.keys.keyring,
            self.tokens.revocations,
            self.verifiers,
            self.tokens.key_sets,
            self.audit.writer,
            self.audit.checkpoints,
            self.audit.pusher,
            self.readiness,
            self.background.jobs,
            pools,
            self.clock(),
            self.clock.monotonic(),
        )


def compose(
    settings: Settings, clock: Clock | None = None, telemetry: Telemetry | None = None
) -> Composition:
    """The parts for `settings`; `ConfigurationError` if a server could not start."""
    require_master_key(settings)
    composition = compose_with(settings, clock or Clock(), build_sealer(settings), telemetry)
    with composition.database.reading() as session:
        require_issuer(session, settings.url)
    return composition


@contextmanager
def composed(settings: Settings) -> Iterator[Composition]:
    """The parts for `settings`, without their threads; their connections are closed at the end."""
    parts = compose(settings)
    try:
        yield parts
    finally:
        parts.database.dispose()


def compose_with(
    settings: Settings, clock: Clock, sealer: Sealer, telemetry: Telemetry | None = None
) -> Composition:
    """Compose with a database that may still belong to another issuer, or to none."""
    return Composition(settings, clock, sealer, telemetry or Telemetry())
