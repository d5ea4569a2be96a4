"""How a server is, asked of its parts: what operators ask first when something is wrong."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from issuer import __version__
from issuer.audit import Checkpoints
from issuer.audit.push.pusher import Pusher
from issuer.clients.clients import Clients
from issuer.database import Database, current_revision
from issuer.fields.times import utc
from issuer.keys.described import DescribedKey, all_described
from issuer.keys.schedule import KeyState
from issuer.roles import Assignments
from issuer.settings import Settings
from issuer.status import server_status as models
from issuer.status.concerns import PRINCIPALS, ending_soon
from issuer.status.readiness import RunningServer
from issuer.status.server_status import Attention, ServerStatus
from issuer.telemetry.metrics import OF_TRUSTED
from issuer.verifiers.known_verifier import next_keys_of
from issuer.verifiers.known_verifiers import REMEDY
from issuer.vocabulary import SigningAlgorithm

OK, NOTE, WARNING, PROBLEM = "ok", "note", "warning", "problem"
_BEFORE_ROTATION = timedelta(days=1)
_INTERVALS = 2  # without a checkpoint, until that is a concern
_ATTEMPTS = 3  # to send audit events, that failed
_MAX_TEXT = 300
_MAX_KEY_SETS = 50
_MAX_ENDING = 100
_FAILED_JUST_NOW = 900  # seconds


class Finding(NamedTuple):
    """What was found about `subject`, and what to do. The verdict is one of these four.

    In the console, `path` is that of the page about it; empty if it has none.
    """

    subject: str
    verdict: str
    text: str
    remedy: str = ""
    path: str = ""

    @property
    def message(self) -> str:
        """The text and the remedy."""
        return f"{self.text} {self.remedy}".rstrip()


def attention(status: ServerStatus, settings: Settings, now: datetime) -> Iterator[Attention]:
    """The most urgent first."""
    if status.cause is not None:
        yield _of("tokens", status.cause, "Run issuer doctor on the machine of the server.")
    yield from _of_agent_os(status.agent_os)
    yield from _bad("keys", of_keys(status.keys, settings.signing_algorithms))
    yield from _bad("audit", of_audit(status.audit, settings, now, status.started_at))
    if (push := status.audit_push) is not None and push.failed >= _ATTEMPTS:
        problem = f"The last {push.failed:,} attempts failed: {push.failure}."
        yield _of("audit push", problem, "The events are sent again. See issuer doctor.")
    for queue in status.queues:
        if queue.tasks >= queue.max:
            problem = f"The queue {queue.name} is full: requests are refused."
            yield _of("queues", problem, "Add processes, or find what is slow.")
    if number := status.deliveries.failing:
        servers = "server does" if number == 1 else "servers do"
        problem = (
            f"{number:,} {servers} not accept messages, and {status.deliveries.waiting:,} wait."
        )
        yield _of("deliveries", problem, "issuer doctor says which, and why.")
    yield from _of_other_issuers(status)
    yield from _of_verifiers(status, now)
    for job in status.jobs:
        if job.is_failing:
            yield _of("jobs", f"{job.name}: {job.error}", "It runs again. The log has more.")


def of_keys(
    keys: Iterable[models.KeyStatus | DescribedKey], algorithms: Iterable[SigningAlgorithm]
) -> Iterator[Finding]:
    """Whether each algorithm has a key that signs, and one that follows it."""
    for alg in algorithms:
        subject, states = f"{alg} keys", {key.state: key for key in keys if key.alg == alg}
        if (active := states.get(KeyState.ACTIVE)) is None:
            yield Finding(subject, PROBLEM, f"There is no active {alg} key.", "Run issuer doctor.")
        elif KeyState.ANNOUNCED not in states:
            remedy = "A running server creates it: see the job key-rotator in issuer status."
            yield Finding(subject, PROBLEM, f"There is no next {alg} key.", remedy)
        else:
            yield Finding(subject, OK, f"The active key {active.summary}.")


def of_audit(
    audit: models.AuditStatus, settings: Settings, now: datetime, started_at: datetime | None = None
) -> Iterator[Finding]:
    """Whether audit events could be cut off unnoticed; `started_at`: since when the server runs."""
    subject, uncovered = "Audit log", audit.uncovered
    since = audit.checkpoint_at or started_at or now
    is_late = now - since > _INTERVALS * settings.audit_checkpoint_every
    if not audit.is_intact:
        problem = "Events are missing that a checkpoint covers."
        yield Finding(subject, PROBLEM, problem, "Run issuer audit verify.")
    if uncovered and is_late:
        waiting = "event has" if uncovered == 1 else "events have"
        problem = f"{uncovered:,} {waiting} waited for a checkpoint since {utc(since)}."
        yield Finding(subject, PROBLEM, problem, "See the job audit-checkpoints in issuer status.")
    elif audit.is_intact:
        verb = "event is" if uncovered == 1 else "events are"
        yield Finding(subject, OK, f"{uncovered:,} {verb} newer than the last checkpoint.")


def _of_agent_os(found: models.AgentOSStatus) -> Iterator[Attention]:
    if number := found.exposed:
        what = "answers requests that it" if number == 1 else "answer requests that they"
        remedy = "issuer doctor and the overview of the console say which, and what to do."
        yield _of("agentos", f"{number:,} AgentOS {what} should refuse.", remedy)


def _bad(subject: str, findings: Iterable[Finding]) -> Iterator[Attention]:
    for each in findings:
        if each.verdict != OK:
            yield _of(subject, each.text, each.remedy)


def _of_other_issuers(status: ServerStatus) -> Iterator[Attention]:
    for key_set in status.key_sets:
        # Anybody may name a key set that does not answer, where clients register themselves.
        if key_set.of == OF_TRUSTED and key_set.problem is not None:
            problem = f"{key_set.source}: {key_set.problem}"
            yield _of("key sets", problem, "Check that this server reaches it.")
    for provider in status.providers:
        problem = f"{provider.issuer}: {provider.problem}"
        yield _of("providers", problem, "Nobody signs in there. Check that this server reaches it.")


def _of_verifiers(status: ServerStatus, now: datetime) -> Iterator[Attention]:
    """Shortly before the key signs only: anybody can report, and most verifiers fetch it soon."""
    lacking, signs_at = status.verifiers.lacking_next_key, status.verifiers.lacked_key_signs_at
    if signs_at is not None and signs_at - now <= _BEFORE_ROTATION:
        which = f"{lacking:,} live verifier{'s lack' if lacking > 1 else ' lacks'} the next key"
        problem = f"{which}, and it signs from {signs_at:%Y-%m-%d %H:%M} UTC."
        yield _of("verifiers", problem, "See issuer verifier list: can they fetch the key set?")
    if number := status.verifiers.left_out:
        problem = f"About {number:,} verifiers were left out: more report than are kept."
        yield _of("verifiers", problem, REMEDY)


def _of(subject: str, problem: str, remedy: str) -> Attention:
    return Attention(subject=subject, problem=problem, remedy=remedy)


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
        agent_os=server.agent_os(),
        deliveries=server.deliveries(),
        attention=[],
    )
    status.attention = list(attention(status, server.settings, server.clock()))
    return status


def ending_status(assignments: Assignments, clients: Clients, now: datetime) -> models.EndingStatus:
    """Rights that end soon, as `issuer doctor` counts them: without roles given just now."""
    ending = ending_soon(assignments, clients, PRINCIPALS, now, _MAX_ENDING)
    ends = [end for _, _, end in (*ending.scopes, *ending.secrets)]
    counts = {name: len(getattr(ending, name)) for name in ("roles", "scopes", "secrets")}
    return models.EndingStatus(
        **counts,
        first_at=min((*ends, *(each.end for each in ending.roles)), default=None),
        is_complete=max(counts.values()) < _MAX_ENDING,
    )


def _database(database: Database) -> models.DatabaseStatus:
    in_use, idle, most = database.connections
    return models.DatabaseStatus(
        kind="SQLite" if database.is_sqlite else "PostgreSQL",
        url=database.safe_url,
        revision=current_revision(database),
        connections_in_use=in_use,
        connections_idle=idle,
        connections_max=most,
        error=_shorten(database.outage.cause),
    )


def _keys(server: RunningServer) -> Iterator[models.KeyStatus]:
    for key in all_described(server.keyring.keys, server.clock()):
        if key.state in {KeyState.ACTIVE, KeyState.ANNOUNCED}:
            yield models.KeyStatus(alg=key.alg, kid=key.kid, state=key.state, summary=key.summary)


def audit_status(checkpoints: Checkpoints) -> models.AuditStatus:
    """How far the newest checkpoint covers the audit log."""
    coverage = checkpoints.coverage()
    return models.AuditStatus(
        chains=len(coverage.covered),
        checkpoint=coverage.number,
        checkpoint_at=coverage.made_at,
        uncovered=coverage.uncovered,
        is_intact=coverage.is_intact,
    )


def _audit_push(pusher: Pusher | None) -> models.PushStatus | None:
    if pusher is None:
        return None
    state = pusher.state
    return models.PushStatus(
        destination=pusher.destination.name,
        behind=state.behind,
        failed=state.progress.failed,
        failure=_shorten(state.progress.last_failure) if state.progress.failed else None,
    )


def _queues(server: RunningServer) -> Iterator[models.QueueStatus]:
    writer = server.audit_writer
    yield models.QueueStatus(name="audit", tasks=writer.waiting, max=writer.max_waiting)
    if (mailer := server.mailer) is not None:
        yield models.QueueStatus(name=mailer.name, tasks=mailer.waiting, max=mailer.max_waiting)
    for pool in server.pools:
        yield models.QueueStatus(name=pool.name, tasks=pool.inside, max=pool.most)


def _key_sets(server: RunningServer) -> Iterator[models.KeySetStatus]:
    followed = [each for sets in server.key_sets() for each in sets.all()]
    for each in followed[:_MAX_KEY_SETS]:
        if (state := each.state) is not None:
            yield models.KeySetStatus(
                of=each.sets.of,
                source=_shorten(str(each.source)) or "",
                fetched_at=state.fetched_at,
                problem=_shorten(state.problem),
            )


def _providers(server: RunningServer) -> Iterator[models.ProviderStatus]:
    """The providers that failed a short while ago: afterwards, nobody may have tried."""
    for source, failure in list(server.provider_failures().items())[:_MAX_KEY_SETS]:
        before = int(server.clock.monotonic() - failure.at)
        if before < _FAILED_JUST_NOW:
            problem = _shorten(failure.problem) or ""
            yield models.ProviderStatus(issuer=source.issuer, problem=problem, failed_before=before)


def _verifiers(server: RunningServer) -> models.VerifiersStatus:
    now, keys, reported = server.clock(), server.keyring.keys, server.verifiers
    left_out = reported.left_out
    next_keys = next_keys_of(keys, now)
    live = (each for each in reported.known.values() if each.is_live(now))
    missing = [each.missing(next_keys, now) for each in live]
    late = [key.activates_at for key in keys if key.kid in missing and key.ready_at <= now]
    return models.VerifiersStatus(
        live=len(missing),
        lacking_next_key=sum(kid is not None for kid in missing),
        lacked_key_signs_at=min(late, default=None),
        left_out=left_out.number if left_out and left_out.is_recent(now) else 0,
    )


def _jobs(server: RunningServer) -> Iterator[models.JobStatus]:
    now = server.clock.monotonic()
    for job in server.jobs:
        failure = job.last_failure  # read once: another thread writes it
        error = _shorten(failure[0]) if failure else None
        before = int(max(0, now - failure[1])) if failure else None
        yield models.JobStatus(
            name=job.name, error=error, failed_before=before, is_failing=job.is_failing
        )


def _shorten(text: str | None) -> str | None:
    return text if text is None or len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
