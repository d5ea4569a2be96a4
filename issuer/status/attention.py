"""`Finding`, the form of every judgement, and those that follow from the status of a server."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from issuer.fields.times import utc
from issuer.keys.described import DescribedKey
from issuer.keys.schedule import KeyState
from issuer.settings import Settings
from issuer.status.server_status import Attention, AuditStatus, KeyStatus, ServerStatus
from issuer.telemetry.metrics import OF_TRUSTED
from issuer.verifiers.known_verifiers import REMEDY
from issuer.vocabulary import SigningAlgorithm

OK, NOTE, WARNING, PROBLEM = "ok", "note", "warning", "problem"
_BEFORE_ROTATION = timedelta(days=1)
_INTERVALS = 2  # without a checkpoint, until that is a concern
_ATTEMPTS = 3  # to send audit events, that failed


class Finding(NamedTuple):
    """What was found about `subject`, and what to do. The verdict is one of these four.

    In the console, `path` is that of the page about it; empty if it has none.
    """

    subject: str
    verdict: str
    text: str
    remedy: str = ""
    path: str = ""


def attention(status: ServerStatus, settings: Settings, now: datetime) -> Iterator[Attention]:
    """The most urgent first."""
    if status.cause is not None:
        yield _of("tokens", status.cause, "Run issuer doctor on the machine of the server.")
    yield from _bad("keys", of_keys(status.keys, settings.signing_algorithms))
    yield from _bad("audit", of_audit(status.audit, settings, now, status.started_at))
    if (push := status.audit_push) is not None and push.failed >= _ATTEMPTS:
        problem = f"The last {push.failed:,} attempts failed: {push.failure}."
        yield _of("audit push", problem, "The events are sent again. See issuer doctor.")
    for queue in status.queues:
        if queue.tasks >= queue.max:
            problem = f"The queue {queue.name} is full: requests are refused."
            yield _of("queues", problem, "Add processes, or find what is slow.")
    yield from _of_other_issuers(status)
    yield from _of_verifiers(status, now)
    for job in status.jobs:
        if job.is_failing:
            yield _of("jobs", f"{job.name}: {job.error}", "It runs again. The log has more.")


def of_keys(
    keys: Iterable[KeyStatus | DescribedKey], algorithms: Iterable[SigningAlgorithm]
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
    audit: AuditStatus, settings: Settings, now: datetime, started_at: datetime | None = None
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
