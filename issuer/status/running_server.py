"""The parts of a running server that its status and its metrics read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from issuer.audit import AuditWriter, Checkpoints
from issuer.background.periodic import Periodic
from issuer.background.workers import WorkerPool
from issuer.clock import Clock
from issuer.database import Database
from issuer.keys import Keyring
from issuer.revocations import RevocationView
from issuer.settings import Settings
from issuer.status.readiness import Readiness
from issuer.verifiers.reported import ReportedVerifiers

if TYPE_CHECKING:  # imported where they are first used
    from issuer.audit.push.pusher import Pusher
    from issuer.federation.key_sets import FollowedKeySets
    from issuer.federation.key_source import KeySource
    from issuer.federation.provider import ProviderFailure
    from issuer.mail.mailer import Mailer
    from issuer.status.server_status import EndingStatus


@dataclass(frozen=True)
class RunningServer:
    """The parts of this process that its status and its metrics show."""

    settings: Settings
    clock: Clock
    database: Database
    keyring: Keyring
    revocations: RevocationView
    verifiers: ReportedVerifiers
    key_sets: Callable[[], Sequence["FollowedKeySets"]]
    provider_failures: Callable[[], Mapping["KeySource", "ProviderFailure"]]
    audit_writer: AuditWriter
    checkpoints: Checkpoints
    audit_pusher: "Pusher | None"
    mailer: "Mailer | None"
    readiness: Readiness
    jobs: Sequence[Periodic]
    pools: Sequence[WorkerPool]
    started_at: datetime
    started: float
    ending: Callable[[], "EndingStatus"]
