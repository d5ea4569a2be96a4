"""The parts of a running server, and whether it can issue tokens now."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from issuer.audit import AuditWriter, Checkpoints
from issuer.background.periodic import Periodic
from issuer.background.workers import WorkerPool
from issuer.clock import Clock
from issuer.database import Database
from issuer.database.deployment import require_compatible_schema, require_issuer, require_writable
from issuer.directory import ChangeWatcher
from issuer.errors import IssuerError
from issuer.keys import Keyring
from issuer.keys.sealed_secrets_store import CLIENT_SECRETS, open_secret
from issuer.keys.sealing import Sealer
from issuer.revocations import RevocationView
from issuer.settings import Settings
from issuer.verifiers.known_verifiers import ReportedVerifiers

if TYPE_CHECKING:  # imported where they are first used
    from issuer.audit.push.pusher import Pusher
    from issuer.federation.key_sets import FollowedKeySets
    from issuer.federation.key_source import KeySource
    from issuer.federation.provider import ProviderFailure
    from issuer.mail.mailer import Mailer
    from issuer.status.server_status import AgentOSStatus, DeliveriesStatus, EndingStatus


@dataclass(frozen=True)
class Readiness:
    settings: Settings
    clock: Clock
    database: Database
    sealer: Sealer
    changes: ChangeWatcher
    keyring: Keyring
    audit_writer: AuditWriter

    def require(self) -> None:
        """`IssuerError` if no token could be issued now. Writes: a full database can be read."""
        self.changes.require_current()
        require_writable(self.database, self.clock())
        require_compatible_schema(self.database)
        with self.database.reading() as session:
            require_issuer(session, self.settings.url)
            open_secret(session, self.sealer, CLIENT_SECRETS)
        for alg in self.settings.signing_algorithms:
            self.keyring.active(alg)

    def cause(self) -> str | None:
        """Why no tokens can be issued, as `/readyz` finds it; None if they can be."""
        try:
            if (failure := self.audit_writer.failure) is not None:
                raise failure
            self.require()
        except IssuerError as error:
            return str(error)
        return None


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
    agent_os: Callable[[], "AgentOSStatus"]
    deliveries: Callable[[], "DeliveriesStatus"]
