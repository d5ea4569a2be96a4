"""How a server is, asked of its parts: what operators ask first when something is wrong."""

from collections.abc import Iterator
from datetime import datetime

from issuer import __version__
from issuer.audit import Checkpoints
from issuer.audit.push.pusher import Pusher
from issuer.clients import Clients
from issuer.database import Database, current_revision
from issuer.keys.described import all_described
from issuer.keys.schedule import KeyState
from issuer.roles import Assignments
from issuer.status.attention import attention
from issuer.status.concerns import PRINCIPALS, ending_soon
from issuer.status.running_server import RunningServer
from issuer.status.server_status import (
    AuditStatus,
    DatabaseStatus,
    EndingStatus,
    JobStatus,
    KeySetStatus,
    KeyStatus,
    ProviderStatus,
    PushStatus,
    QueueStatus,
    ServerStatus,
    VerifiersStatus,
)
from issuer.verifiers.known_verifier import next_keys_of

_MAX_TEXT = 300
_MAX_KEY_SETS = 50
_MAX_ENDING = 100
_FAILED_JUST_NOW = 900  # seconds


def server_status(server: RunningServer) -> ServerStatus:
    """A few index look-ups and one small write; `DatabaseUnavailable` if it cannot be read."""
    cause = _shorten(server.readiness.cause())
    status = ServerStatus(
        issuer=server.settings.url,
        version=__version__,
        started_at=server.started_at,
        uptime=int(server.clock.monotonic() - server.started),
        can_issue=cause is None,
        cause=cause,
        database=_database(server.database),
        keys=list(_keys(server)),
        audit=audit_status(server.checkpoints),
        audit_push=_audit_push(server.audit_pusher),
        queues=list(_queues(server)),
        key_sets=list(_key_sets(server)),
        providers=list(_providers(server)),
        verifiers=_verifiers(server),
        jobs=list(_jobs(server)),
        ending=server.ending(),
        attention=[],
    )
    status.attention = list(attention(status, server.settings, server.clock()))
    return status


def ending_status(assignments: Assignments, clients: Clients, now: datetime) -> EndingStatus:
    """Rights that end soon, as `issuer doctor` counts them: without roles given just now."""
    ending = ending_soon(assignments, clients, PRINCIPALS, now, _MAX_ENDING)
    ends = [end for _, _, end in (*ending.scopes, *ending.secrets)]
    counts = [len(each) for each in (ending.roles, ending.scopes, ending.secrets)]
    return EndingStatus(
        roles=counts[0],
        scopes=counts[1],
        secrets=counts[2],
        first_at=min((*ends, *(each.end for each in ending.roles)), default=None),
        is_complete=max(counts) < _MAX_ENDING,
    )


def _database(database: Database) -> DatabaseStatus:
    in_use, idle, most = database.connections
    return DatabaseStatus(
        kind="SQLite" if database.is_sqlite else "PostgreSQL",
        url=database.safe_url,
        revision=current_revision(database),
        connections_in_use=in_use,
        connections_idle=idle,
        connections_max=most,
        error=_shorten(database.outage.cause),
    )


def _keys(server: RunningServer) -> Iterator[KeyStatus]:
    for key in all_described(server.keyring.keys, server.clock()):
        if key.state in {KeyState.ACTIVE, KeyState.ANNOUNCED}:
            yield KeyStatus(alg=key.alg, kid=key.kid, state=key.state, summary=key.summary)


def audit_status(checkpoints: Checkpoints) -> AuditStatus:
    """How far the newest checkpoint covers the audit log."""
    coverage = checkpoints.coverage()
    return AuditStatus(
        chains=len(coverage.covered),
        checkpoint=coverage.number,
        checkpoint_at=coverage.made_at,
        uncovered=coverage.uncovered,
        is_intact=coverage.is_intact,
    )


def _audit_push(pusher: Pusher | None) -> PushStatus | None:
    if pusher is None:
        return None
    state = pusher.state
    return PushStatus(
        destination=pusher.destination.name,
        behind=state.behind,
        failed=state.progress.failed,
        failure=_shorten(state.progress.last_failure) if state.progress.failed else None,
    )


def _queues(server: RunningServer) -> Iterator[QueueStatus]:
    writer = server.audit_writer
    yield QueueStatus(name="audit", tasks=writer.waiting, max=writer.max_waiting)
    if (mailer := server.mailer) is not None:
        yield QueueStatus(name=mailer.name, tasks=mailer.waiting, max=mailer.max_waiting)
    for pool in server.pools:
        yield QueueStatus(name=pool.name, tasks=pool.inside, max=pool.most)


def _key_sets(server: RunningServer) -> Iterator[KeySetStatus]:
    followed = [each for sets in server.key_sets() for each in sets.all()]
    for each in followed[:_MAX_KEY_SETS]:
        if (state := each.state) is not None:
            yield KeySetStatus(
                of=each.sets.of,
                source=_shorten(str(each.source)) or "",
                fetched_at=state.fetched_at,
                problem=_shorten(state.problem),
            )


def _providers(server: RunningServer) -> Iterator[ProviderStatus]:
    """The providers that failed a short while ago: afterwards, nobody may have tried."""
    for source, failure in list(server.provider_failures().items())[:_MAX_KEY_SETS]:
        before = int(server.clock.monotonic() - failure.at)
        if before < _FAILED_JUST_NOW:
            problem = _shorten(failure.problem) or ""
            yield ProviderStatus(issuer=source.issuer, problem=problem, failed_before=before)


def _verifiers(server: RunningServer) -> VerifiersStatus:
    now, keys, reported = server.clock(), server.keyring.keys, server.verifiers
    left_out = reported.left_out
    next_keys = next_keys_of(keys, now)
    missing = [
        each.missing(next_keys, now) for each in reported.known.values() if each.is_live(now)
    ]
    late = [key.activates_at for key in keys if key.kid in missing and key.ready_at <= now]
    return VerifiersStatus(
        live=len(missing),
        lacking_next_key=sum(kid is not None for kid in missing),
        lacked_key_signs_at=min(late, default=None),
        left_out=left_out.number if left_out and left_out.is_recent(now) else 0,
    )


def _jobs(server: RunningServer) -> Iterator[JobStatus]:
    now = server.clock.monotonic()
    for job in server.jobs:
        failure = job.last_failure  # read once: another thread writes it
        error = _shorten(failure[0]) if failure else None
        before = int(max(0, now - failure[1])) if failure else None
        yield JobStatus(name=job.name, error=error, failed_before=before, is_failing=job.is_failing)


def _shorten(text: str | None) -> str | None:
    return text if text is None or len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
