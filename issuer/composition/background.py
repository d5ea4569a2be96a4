"""The background jobs of a server: follow changes, rotate keys, write, clean up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from issuer.audit import Actor
from issuer.audit.counting import COUNT_EVERY
from issuer.audit.flood import WRITE_EVERY as WRITE_REFUSALS_EVERY
from issuer.audit.push import Pusher
from issuer.audit.push.pusher import PUSH_EVERY
from issuer.background.periodic import SECONDS_FOR_OTHERS, Periodic
from issuer.clients.authentication import WRITE_EVERY as WRITE_LAST_USE_EVERY
from issuer.composition.administration import Administration
from issuer.composition.audit import AuditParts
from issuer.composition.foundation import Foundation
from issuer.composition.sign_in import FactorParts, PeopleParts, SignInParts
from issuer.composition.tokens import KeyParts, TokenParts, require_algorithms
from issuer.database.deployment import require_clock
from issuer.database.engine import MAX_SILENCE_S
from issuer.revocations import Revocations
from issuer.users.guard import CLEAR_EVERY
from issuer.verifiers import ReportedVerifiers
from issuer.verifiers.reported import POLL_INTERVAL as LOOK_AT_VERIFIERS_EVERY

DELETE_EXPIRED_EVERY = timedelta(minutes=10)
_ISSUER = Actor("issuer:background")
_ERASE_EVERY = timedelta(minutes=1)
_PRUNE_EVERY = timedelta(hours=1)


@dataclass(frozen=True)
class BackgroundJobs:
    """The threads of a server. `writing` jobs run once more at the end, in this order."""

    foundation: Foundation
    keys: KeyParts
    tokens: TokenParts
    sign_in: SignInParts
    audit: AuditParts
    cleaning: tuple[Periodic, ...]
    writing: tuple[Periodic, ...]

    @property
    def jobs(self) -> tuple[Periodic, ...]:
        """All that run periodically."""
        return self.tokens.changes.job, self.keys.rotator.job, *self.cleaning, *self.writing

    def start(self) -> None:
        """Rotate keys if it is due, then start the threads."""
        self.foundation.database.max_silence = MAX_SILENCE_S
        require_algorithms(self.foundation)
        keyring = self.keys.keyring
        keyring.cleanup()
        keyring.reconcile()
        keyring.require_loaded()
        self.tokens.changes.start()
        self.keys.rotator.start()
        self.audit.writer.start()
        for job in (*self.cleaning, *self.writing):
            job.start()
        self.foundation.database.outage.is_logged = True

    def stop(self) -> None:
        """Write what is waiting, end the threads, close the connections."""
        self.audit.writer.stop()
        for job in self.cleaning:
            job.stop()
        for job in self.writing:
            job.stop()
            job.run_once()
        self.sign_in.passwords.stop()
        self.keys.rotator.stop()
        self.tokens.changes.stop()
        self.tokens.stop()
        self.foundation.database.dispose()


def delete_expired(foundation: Foundation, tokens: TokenParts, people: PeopleParts) -> None:
    """Delete refresh families and sessions that have ended or expired, then entries of the feed."""
    # In that order: entries of the feed show what has ended.
    tokens.refresh_tokens.delete_expired()
    people.delete_expired()
    more = True
    while more:  # some at a time, so that other writers do not wait long
        with foundation.database.transaction() as session:
            more = bool(Revocations(session, foundation.clock).delete_expired())


def delete_unused_clients(administration: Administration) -> None:
    """Delete clients that registered themselves and are not used."""
    more = True
    while more:
        with administration.changing(_ISSUER, held=()) as work:
            more = work.registrations.delete_unused() > 0


def _pushing(pusher: Pusher | None) -> list[Periodic]:
    # What it has not sent when it stops is sent again, marked.
    return [Periodic("audit-push", PUSH_EVERY, pusher.push, SECONDS_FOR_OTHERS)] if pusher else []


def _at_the_right_time(foundation: Foundation, task: Callable[[], None]) -> None:
    """A clock that is ahead would delete what others need, and hide that a checkpoint is due."""
    require_clock(foundation.database, foundation.clock)
    task()


def build_background(
    foundation: Foundation,
    keys: KeyParts,
    tokens: TokenParts,
    sign_in: SignInParts,
    people: PeopleParts,
    factors: FactorParts,
    audit: AuditParts,
    administration: Administration,
    verifiers: ReportedVerifiers,
) -> BackgroundJobs:
    unused_clients = partial(delete_unused_clients, administration)
    expired_tokens = partial(delete_expired, foundation, tokens, people)
    cleaning: tuple[tuple[str, timedelta, Callable[[], None]], ...] = (
        ("expired-tokens", DELETE_EXPIRED_EVERY, expired_tokens),
        ("used-challenges", DELETE_EXPIRED_EVERY, factors.delete_expired),
        ("used-assertions", DELETE_EXPIRED_EVERY, tokens.tidy_assertions),
        ("sign-in-attempts", CLEAR_EVERY, sign_in.guard.clear_up),
        ("token-counts", COUNT_EVERY, audit.token_counts.count),
        ("audit-retention", _PRUNE_EVERY, audit.prune),
        ("unused-clients", _PRUNE_EVERY, unused_clients),
        ("erasure", _ERASE_EVERY, foundation.database.erasure.retry),
    )
    return BackgroundJobs(
        foundation,
        keys,
        tokens,
        sign_in,
        audit,
        cleaning=(
            *(
                Periodic(name, every, partial(_at_the_right_time, foundation, task))
                for name, every, task in cleaning
            ),
            *_pushing(audit.pusher),
        ),
        # The checkpoint is last, so that it covers what the others have written.
        writing=(
            Periodic("last-use", WRITE_LAST_USE_EVERY, tokens.last_use.write),
            Periodic("verifiers", LOOK_AT_VERIFIERS_EVERY, verifiers.write),
            Periodic("refusals", WRITE_REFUSALS_EVERY, audit.refusals.write),
            Periodic(
                "audit-checkpoints",
                foundation.settings.audit_checkpoint_every,
                partial(_at_the_right_time, foundation, audit.make_checkpoint),
            ),
        ),
    )
