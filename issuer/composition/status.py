"""How a server is: what operators ask first when something is wrong. Nothing secret."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel

from issuer import __version__
from issuer.background.workers import WorkerPool
from issuer.composition.attention import Attention, attention
from issuer.database import current_revision
from issuer.errors import IssuerError
from issuer.keys.described import all_described
from issuer.keys.schedule import KeyState
from issuer.verifiers.known_verifier import next_keys_of
from issuer.vocabulary import SigningAlgorithm

if TYPE_CHECKING:
    from issuer.composition.composition import Composition

_MAX_TEXT = 300
_MAX_KEY_SETS = 50


class DatabaseStatus(BaseModel):
    """Connections are those of this process; `error` is why it cannot be used now."""

    kind: str
    url: str
    revision: str | None
    connections_in_use: int
    connections_idle: int
    connections_max: int
    error: str | None


class KeyStatus(BaseModel):
    """A key that signs or will sign."""

    alg: SigningAlgorithm
    kid: str
    state: KeyState
    summary: str


class AuditStatus(BaseModel):
    """`uncovered` events are newer than the last checkpoint."""

    chains: int
    checkpoint: int | None
    checkpoint_at: datetime | None
    uncovered: int
    is_intact: bool


class PushStatus(BaseModel):
    """Where audit events are sent: at most `behind` of them wait.

    `failed` attempts failed since the last success, the last one for the reason `failure`.
    """

    destination: str
    behind: int
    failed: int
    failure: str | None


class QueueStatus(BaseModel):
    """Tasks that run or wait; beyond `max`, requests are refused."""

    name: str
    tasks: int
    max: int


class KeySetStatus(BaseModel):
    """A key set of others; `fetched_at` is null if none is held."""

    of: str
    source: str
    fetched_at: datetime | None
    problem: str | None


class VerifiersStatus(BaseModel):
    """Verifiers that reported just now: nobody checks what they say.

    `lacked_key_signs_at` is when a key is planned to sign that one of them lacks, although it was
    announced long enough; null if there is none. About so many as `left_out` were left out just
    now, since too many reported.
    """

    live: int
    lacking_next_key: int
    lacked_key_signs_at: datetime | None
    left_out: int


class JobStatus(BaseModel):
    """A periodic job: its last failure, in seconds before now, and whether it is the last run."""

    name: str
    error: str | None
    failed_before: int | None
    is_failing: bool


class ServerStatus(BaseModel):
    """Of one process. `cause` is why it cannot issue tokens now; durations are in seconds."""

    issuer: str
    version: str
    started_at: datetime
    uptime: int
    can_issue: bool
    cause: str | None
    database: DatabaseStatus
    keys: list[KeyStatus]
    audit: AuditStatus
    audit_push: PushStatus | None
    queues: list[QueueStatus]
    key_sets: list[KeySetStatus]
    verifiers: VerifiersStatus
    jobs: list[JobStatus]
    attention: list[Attention]


class StatusReporter:
    """Asks the parts of this process. `started` at the time it is built."""

    def __init__(self, parts: "Composition", pools: Sequence[WorkerPool]) -> None:
        self._parts = parts
        self._pools = pools
        self._started_at = parts.clock()
        self._started = parts.clock.monotonic()

    def status(self) -> ServerStatus:
        """A few index look-ups and one small write; `DatabaseUnavailable` if it cannot be read."""
        parts, cause = self._parts, self._why_not_ready()
        status = ServerStatus(
            issuer=parts.settings.url,
            version=__version__,
            started_at=self._started_at,
            uptime=int(parts.clock.monotonic() - self._started),
            can_issue=cause is None,
            cause=cause,
            database=self._database(),
            keys=list(self._keys()),
            audit=self._audit(),
            audit_push=self._audit_push(),
            queues=list(self._queues()),
            key_sets=list(self._key_sets()),
            verifiers=self._verifiers(),
            jobs=list(self._jobs()),
            attention=[],
        )
        algorithms, every = parts.settings.signing_algorithms, parts.settings.audit_checkpoint_every
        status.attention = list(attention(status, algorithms, parts.clock(), every))
        return status

    def _why_not_ready(self) -> str | None:
        """As `/readyz` finds it."""
        try:
            if (failure := self._parts.audit.writer.failure) is not None:
                raise failure
            self._parts.probes.readiness.require()
        except IssuerError as error:
            return _bounded(str(error))
        return None

    def _database(self) -> DatabaseStatus:
        database = self._parts.database
        in_use, idle, most = database.connections
        return DatabaseStatus(
            kind="SQLite" if database.is_sqlite else "PostgreSQL",
            url=database.safe_url,
            revision=current_revision(database),
            connections_in_use=in_use,
            connections_idle=idle,
            connections_max=most,
            error=_bounded(database.outage.cause),
        )

    def _keys(self) -> Iterator[KeyStatus]:
        for key in all_described(self._parts.keys.keyring.keys, self._parts.clock()):
            if key.state in {KeyState.ACTIVE, KeyState.ANNOUNCED}:
                yield KeyStatus(alg=key.alg, kid=key.kid, state=key.state, summary=key.summary)

    def _audit(self) -> AuditStatus:
        coverage = self._parts.audit.checkpoints.coverage()
        return AuditStatus(
            chains=len(coverage.covered),
            checkpoint=coverage.number,
            checkpoint_at=coverage.made_at,
            uncovered=coverage.uncovered,
            is_intact=coverage.is_intact,
        )

    def _audit_push(self) -> PushStatus | None:
        if (pusher := self._parts.audit.pusher) is None:
            return None
        state = pusher.state
        return PushStatus(
            destination=pusher.destination.name,
            behind=state.behind,
            failed=state.progress.failed,
            failure=_bounded(state.progress.last_failure) if state.progress.failed else None,
        )

    def _queues(self) -> Iterator[QueueStatus]:
        writer = self._parts.audit.writer
        yield QueueStatus(name="audit", tasks=writer.waiting, max=writer.max_waiting)
        for pool in self._pools:
            yield QueueStatus(name=pool.name, tasks=pool.inside, max=pool.most)

    def _key_sets(self) -> Iterator[KeySetStatus]:
        for each in self._parts.tokens.key_sets[:_MAX_KEY_SETS]:
            if (state := each.state) is not None:
                yield KeySetStatus(
                    of=each.sets.of,
                    source=_bounded(str(each.source)) or "",
                    fetched_at=state.fetched_at,
                    problem=_bounded(state.problem),
                )

    def _verifiers(self) -> VerifiersStatus:
        now, keys = self._parts.clock(), self._parts.keys.keyring.keys
        next_keys = next_keys_of(keys, now)
        known = self._parts.protocol.verifiers.known
        missing = [each.missing(next_keys, now) for each in known.values() if each.is_live(now)]
        late = [key.activates_at for key in keys if key.kid in missing and key.ready_at <= now]
        left_out = self._parts.protocol.verifiers.left_out
        return VerifiersStatus(
            live=len(missing),
            lacking_next_key=sum(kid is not None for kid in missing),
            lacked_key_signs_at=min(late, default=None),
            left_out=left_out.number if left_out and left_out.is_recent(now) else 0,
        )

    def _jobs(self) -> Iterator[JobStatus]:
        now = self._parts.clock.monotonic()
        for job in self._parts.background.jobs:
            failure = job.last_failure
            yield JobStatus(
                name=job.name,
                error=None if failure is None else _bounded(failure.cause),
                failed_before=None if failure is None else int(max(0, now - failure.at)),
                is_failing=job.is_failing,
            )


def _bounded(text: str | None) -> str | None:
    return text if text is None or len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
