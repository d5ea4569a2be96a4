"""The background jobs of a server: all are in the table `JOBS`, and start and stop by it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from typing import NamedTuple, Protocol

from issuer.audit.counts_store import COUNT_EVERY
from issuer.audit.writer import WRITE_EVERY as WRITE_REFUSALS_EVERY
from issuer.background.periodic import SECONDS_FOR_OTHERS, Periodic
from issuer.clients.authentication import WRITE_EVERY as WRITE_LAST_USE_EVERY
from issuer.composition.foundation import Foundation
from issuer.composition.parts import Parts
from issuer.composition.sign_in import PeopleParts
from issuer.composition.tokens import TokenParts, require_algorithms
from issuer.database.deployment import require_clock
from issuer.database.engine import MAX_SILENCE_S
from issuer.deliveries.sender import SEND_EVERY
from issuer.directory.change_watcher import POLL_INTERVAL as READ_COUNTERS_EVERY
from issuer.keys.rotator import POLL_INTERVAL as CHECK_KEYS_EVERY
from issuer.revocations import Revocations
from issuer.users.guard import CLEAR_EVERY
from issuer.verifiers.known_verifiers import POLL_INTERVAL as WRITE_REPORTS_EVERY

DELETE_EXPIRED_EVERY = timedelta(minutes=10)
_DELETE_RIGHTS_EVERY = timedelta(seconds=10)
_REVOKE_EVERY = timedelta(seconds=1)
_ERASE_EVERY = timedelta(minutes=1)
_UPDATE_STATISTICS_EVERY = timedelta(days=1)
_PRUNE_EVERY = timedelta(hours=1)
_INSPECT_EVERY = timedelta(seconds=20)
_PUSH_EVERY = timedelta(seconds=1)
_WRITE_GAUGES_EVERY = timedelta(seconds=5)


class Runs(Protocol):
    """What has threads of its own."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Job(NamedTuple):
    """One row. `every` is an interval, the setting that has it, or when the job works.

    `owner` is the package whose rules it follows, `touches` the tables that it writes and what it
    uses else. Either `task` gives what runs at the interval, in a thread of its own, or `part` what
    has threads already; None if the settings ask for none.

    `deletes`: what has expired, only by a clock that is trusted. `needs_clock`: one that is ahead
    would hide that something is due. `runs_at_end`: once more when the server stops, `at_end` if
    that is given. `ends_last`: after all others.
    """

    name: str
    owner: str
    every: timedelta | str
    touches: str
    task: Callable[[Parts], Callable[[], object] | None] | None = None
    part: Callable[[Parts], Runs | None] | None = None
    deletes: bool = False
    needs_clock: bool = False
    runs_at_end: bool = False
    at_end: Callable[[Parts], Callable[[], object]] | None = None
    ends_last: bool = False
    seconds_to_stop: float | None = None


_cleaner = partial(Job, deletes=True, needs_clock=True)
_writer = partial(Job, runs_at_end=True)

JOBS: tuple[Job, ...] = (
    Job(
        "change-watcher",
        "directory",
        READ_COUNTERS_EVERY,
        "reads `change_counter`, `revocation_feed`; empties caches, reloads keys",
        part=lambda parts: parts.tokens.changes,
        ends_last=True,
    ),
    Job(
        "key-rotator",
        "keys",
        CHECK_KEYS_EVERY,
        "`signing_keys`, `key_set_promise`, `audit_events`, the key folder",
        part=lambda parts: parts.keys.rotator,
        ends_last=True,
    ),
    Job(
        "audit-writer",
        "audit",
        "when events wait",
        "`audit_events`; reads `revocation_feed`",
        part=lambda parts: parts.audit.writer,
    ),
    Job(
        "change-reader",
        "directory",
        "when access tokens are introspected",
        "as `change-watcher`",
        part=lambda parts: parts.tokens.changes.reader,
    ),
    Job(
        "refresh-reader",
        "refresh_tokens",
        "when refresh tokens wait",
        "reads `refresh_families`, `sessions`, `users` and what is theirs",
        part=lambda parts: parts.tokens.refresh_tokens.reader,
    ),
    Job(
        "refresh-writer",
        "refresh_tokens",
        "when refresh tokens wait",
        "`refresh_families`, `audit_events`; reads `revoked_principals`",
        part=lambda parts: parts.tokens.refresh_tokens.writer,
    ),
    Job(
        "exchange-reader",
        "token_exchange",
        "when tokens wait to be exchanged",
        "reads `users` and what is theirs, `clients`, `exchanged_tokens`",
        part=lambda parts: parts.tokens.exchanges.reader,
    ),
    Job(
        "exchange-writer",
        "token_exchange",
        "when tokens wait to be exchanged",
        "`exchanged_tokens`, `audit_events`; reads `revoked_tokens`, `revoked_principals`,"
        " `consents`",
        part=lambda parts: parts.tokens.exchanges.writer,
    ),
    Job(
        "assertion-writer",
        "clients",
        "when assertions wait",
        "`used_assertions`",
        part=lambda parts: parts.tokens.used_assertions.writer,
    ),
    Job(
        "proof-writer",
        "dpop",
        "when proofs of possession wait",
        "`used_assertions`, `audit_events`",
        part=lambda parts: parts.tokens.proofs.writer,
    ),
    _cleaner(
        "expired-tokens",
        "tokens",
        DELETE_EXPIRED_EVERY,
        "`refresh_families`, `sessions`, `authorization_codes`, `device_codes`, `exchanged_tokens`,"
        " `revoked_tokens`, `revoked_principals`, `revocation_feed`",
        lambda parts: partial(delete_expired, parts.foundation, parts.tokens, parts.people),
    ),
    _cleaner(
        "used-challenges",
        "sign_in",
        DELETE_EXPIRED_EVERY,
        "`used_challenges`, `invitations`",
        lambda parts: parts.factors.delete_expired,
    ),
    _cleaner(
        "used-assertions",
        "clients",
        DELETE_EXPIRED_EVERY,
        "`used_assertions`; ends what follows unused key sets",
        lambda parts: parts.tokens.cleanup_assertions,
    ),
    _cleaner(
        "sign-in-attempts",
        "users",
        CLEAR_EVERY,
        "`sign_in_tries`, `known_addresses`",
        lambda parts: parts.sign_in.guard.clear_up,
    ),
    _cleaner(
        "token-counts",
        "audit",
        COUNT_EVERY,
        "reads `audit_events`; `token_counts`, `token_counts_progress`",
        lambda parts: parts.audit.token_counts.count,
    ),
    _cleaner(
        "audit-retention",
        "audit",
        _PRUNE_EVERY,
        "`audit_events`, `audit_checkpoints`",
        lambda parts: parts.audit.prune,
    ),
    _cleaner(
        "expired-rights",
        "roles",
        _DELETE_RIGHTS_EVERY,
        "`assignments`, `client_scope_expiries`, `clients`, `audit_events`",
        lambda parts: parts.administration.delete_expired_rights,
    ),
    # It deletes nothing: what was postponed must be revoked also by a clock that was just set.
    Job(
        "postponed-revocations",
        "revocations",
        _REVOKE_EVERY,
        "`revoked_principals`, `revocation_feed`",
        lambda parts: parts.administration.revoke_postponed,
        needs_clock=True,
    ),
    _cleaner(
        "usage-retention",
        "usage",
        _PRUNE_EVERY,
        "`used_scopes`",
        lambda parts: parts.administration.delete_old_usage,
    ),
    _cleaner(
        "unused-clients",
        "clients",
        _PRUNE_EVERY,
        "`clients` that registered themselves, and what is theirs; `audit_events`",
        lambda parts: parts.administration.delete_unused_clients,
    ),
    Job(
        "inspections",
        "inspection",
        _INSPECT_EVERY,
        "`inspections`, `audit_events`; asks each AgentOS that has a URL, once a day",
        lambda parts: parts.administration.inspect_due if parts.settings.daily_inspection else None,
        needs_clock=True,
        seconds_to_stop=SECONDS_FOR_OTHERS,
    ),
    Job(
        "erasure",
        "database",
        _ERASE_EVERY,
        "the write-ahead log of SQLite",
        lambda parts: parts.database.erasure.retry,
    ),
    Job(
        "statistics",
        "database",
        _UPDATE_STATISTICS_EVERY,
        "on SQLite, what its planner knows of large tables",
        lambda parts: parts.database.update_statistics,
    ),
    # What it has not sent when it stops is sent again, marked.
    Job(
        "audit-push",
        "audit",
        _PUSH_EVERY,
        "reads `audit_events`; `audit_push`; sends to the destination",
        lambda parts: None if parts.audit.pusher is None else parts.audit.pusher.push,
        seconds_to_stop=SECONDS_FOR_OTHERS,
    ),
    _writer(
        "last-use",
        "clients",
        WRITE_LAST_USE_EVERY,
        "`client_secrets`, `clients`",
        lambda parts: parts.tokens.last_use.write,
    ),
    _writer(
        "verifiers",
        "verifiers",
        WRITE_REPORTS_EVERY,
        "`verifiers`, `left_out_verifiers`",
        lambda parts: parts.verifiers.write,
    ),
    _writer(
        "refusals",
        "audit",
        WRITE_REFUSALS_EVERY,
        "`audit_events`",
        lambda parts: parts.audit.refusals.write,
    ),
    # The last writer, so that it covers what the others have written.
    _writer(
        "audit-checkpoints",
        "audit",
        "ISSUER_AUDIT_CHECKPOINT_EVERY",
        "reads `audit_events`; `audit_checkpoints`; signs",
        lambda parts: parts.audit.make_checkpoint,
        at_end=lambda parts: parts.audit.checkpoints.make,
        needs_clock=True,
    ),
    Job(
        "mail",
        "mail",
        "when messages wait",
        "`used_challenges`, `audit_events`; reads `users`; sends to the mail server",
        part=lambda parts: parts.mail.mailer,
    ),
    # A claim ends by itself: what it has not sent when it stops is sent by another process.
    Job(
        "deliveries",
        "deliveries",
        SEND_EVERY,
        "`deliveries`, `delivery_recipients`, `audit_events`; reads `clients`; sends to their URLs",
        lambda parts: parts.deliveries.poll,
        needs_clock=True,
        runs_at_end=True,
        at_end=lambda parts: parts.deliveries.stop,
    ),
    Job(
        "key-sets",
        "federation",
        "as their `Cache-Control` says, after their first use",
        "fetches key sets and client metadata documents of other servers; `clients`",
        part=lambda parts: parts.tokens,
    ),
    Job(
        "metrics",
        "telemetry",
        _WRITE_GAUGES_EVERY,
        "with several workers: the files of `PROMETHEUS_MULTIPROC_DIR`",
        lambda parts: parts.telemetry.write_gauges,
    ),
    Job(
        "otel-metrics",
        "telemetry",
        "OTEL_METRIC_EXPORT_INTERVAL",
        "sends to the collector",
        lambda parts: parts.telemetry.export_metrics,
        seconds_to_stop=SECONDS_FOR_OTHERS,
    ),
    Job(
        "otel-traces",
        "telemetry",
        "when spans wait",
        "sends to the collector",
        part=lambda parts: parts.telemetry.tracing,
    ),
)


_SETTINGS: dict[str, Callable[[Parts], timedelta]] = {
    "ISSUER_AUDIT_CHECKPOINT_EVERY": lambda parts: parts.settings.audit_checkpoint_every,
    "OTEL_METRIC_EXPORT_INTERVAL": lambda parts: parts.telemetry.export_every,
}


@dataclass(frozen=True)
class BackgroundJobs:
    """The jobs of this process."""

    parts: Parts

    @cached_property
    def running(self) -> tuple[tuple[Job, Runs], ...]:
        """The jobs that the settings ask for, in the order of the table."""
        found = ((job, self._of(job)) for job in JOBS)
        return tuple((job, runs) for job, runs in found if runs is not None)

    @cached_property
    def jobs(self) -> tuple[Periodic, ...]:
        """What runs periodically and is no telemetry, for the status of the server."""
        own = (getattr(runs, "job", runs) for job, runs in self.running if job.owner != "telemetry")
        return tuple(each for each in own if isinstance(each, Periodic))

    def prepare(self) -> None:
        """Rotate keys if it is due; `IssuerError` if a server could not sign. Starts no thread."""
        foundation, keyring = self.parts.foundation, self.parts.keys.keyring
        foundation.database.max_silence = MAX_SILENCE_S
        require_algorithms(foundation)
        keyring.cleanup()
        keyring.reconcile()
        keyring.require_loaded()

    def start(self) -> None:
        """Prepare, then start the threads."""
        self.prepare()
        for _, runs in self.running:
            runs.start()
        self.parts.foundation.database.outage.is_logged = True

    def stop(self) -> None:
        """Write what is waiting, end the threads, close the connections."""
        self.parts.sign_in.passwords.stop()
        for job, runs in sorted(self.running, key=lambda each: each[0].ends_last):
            runs.stop()
            if job.runs_at_end and isinstance(runs, Periodic):
                runs.run_once(self._task(job, job.at_end or job.task))
        self.parts.database.dispose()

    def _of(self, job: Job) -> Runs | None:
        if job.part is not None:
            return job.part(self.parts)
        if (task := self._task(job, job.task)) is None:
            return None
        every = job.every if isinstance(job.every, timedelta) else _SETTINGS[job.every](self.parts)
        more = () if job.seconds_to_stop is None else (job.seconds_to_stop,)
        return Periodic(job.name, every, task, *more)

    def _task(
        self, job: Job, task_of: Callable[[Parts], Callable[[], object] | None] | None
    ) -> Callable[[], object] | None:
        task = task_of(self.parts) if task_of else None
        if task is None or not job.needs_clock:
            return task
        return partial(_with_right_clock, self.parts.foundation, task, deletes=job.deletes)


def _with_right_clock(foundation: Foundation, task: Callable[[], object], *, deletes: bool) -> None:
    require_clock(foundation.database, foundation.clock)
    if not deletes or foundation.clock_watch.is_trusted():
        task()


def delete_expired(foundation: Foundation, tokens: TokenParts, people: PeopleParts) -> None:
    """Delete refresh families and sessions that have ended or expired, then entries of the feed."""
    # In that order: entries of the feed show what has ended.
    tokens.refresh_tokens.delete_expired()
    people.delete_expired()
    foundation.database.in_batches(
        lambda session: Revocations(session, foundation.clock).delete_expired()
    )
