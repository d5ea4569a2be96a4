"""What the admin API, the pages and the command line use to read and change an issuer."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from issuer.audit import Actor, Trail
from issuer.clients.documents import fields_of
from issuer.composition.tokens import see_own_change
from issuer.composition.unit_of_work import DomainParts, UnitOfWork
from issuer.database.deployment import require_clock_within
from issuer.directory import ClientRecord
from issuer.dpop import ProofChecks
from issuer.errors import Forbidden, InvalidCredentials, InvalidField
from issuer.revocations import Revocations
from issuer.scopes import ISSUER_ADMIN, counts_here, covers
from issuer.telemetry.metrics import PASSWORD_RESET
from issuer.tokens.reading import VerifiedToken, load_current_scopes

if TYPE_CHECKING:  # imported where they are first used
    from issuer.clients.assertions import ClientAssertions
    from issuer.explain.explaining import Explainer, Preview, PreviewRequest, Subject
    from issuer.inspection.inspector import Inspector
    from issuer.review.proposals import Proposal
    from issuer.review.reviewing import Review
    from issuer.usage import Usage

_UNKNOWN = Actor()
_ISSUER = Actor("issuer:background")


class Administration:
    """Opens units of work, and has the few objects that administrators use outside of one.

    `held` are the actor's scopes at the issuer's own audience; on the command line
    `issuer:admin`.
    """

    def __init__(self, parts: DomainParts) -> None:
        self._parts = parts
        self._database = parts.foundation.database
        self._tokens = parts.tokens
        self._mailer = parts.mail.mailer
        self.settings = parts.foundation.settings
        self.clock = parts.foundation.clock
        self.keyring = parts.keys.keyring
        self.passwords = parts.sign_in.passwords

    @cached_property
    def explainer(self) -> "Explainer":
        """Answers why requests are allowed or refused."""
        from issuer.explain.explaining import Explainer  # noqa: PLC0415 - for administrators
        from issuer.explain.own_api import OwnApi  # noqa: PLC0415 - for administrators

        api = OwnApi(self.settings.url, self.settings.base_path)
        tokens = self._tokens
        return Explainer(self._database, tokens.directory, tokens.issuer, tokens.any_reader, api)

    @cached_property
    def inspector(self) -> "Inspector":
        from issuer.inspection.inspector import Inspector  # noqa: PLC0415 - 8.5 MB

        return Inspector(self.clock, self._parts.foundation.metrics)

    @contextmanager
    def changing(
        self, actor: Actor, held: Iterable[str] = (ISSUER_ADMIN,), *, dry_run: bool = False
    ) -> Iterator[UnitOfWork]:
        """A unit of work that changes something; its invariants are checked when it ends.

        This process applies the change at once. `Unavailable` if this machine's clock is wrong. In
        a dry run everything is rolled back at the end, its audit events included.
        """
        with self._database.changing() as session:
            require_clock_within(session, self.clock)
            work = UnitOfWork(session, self._parts, actor, held)
            yield work
            work.check_invariants()
            if dry_run:
                session.rollback()
                return
        if self._mailer and work.outbox:
            self._mailer.post(work.outbox.messages)
        if missed := work.revocations.missed_by_slow_commit():
            with self._database.changing() as session:
                Revocations(session, self.clock).revoke_again(missed)
        see_own_change(self._tokens.changes)

    @contextmanager
    def reading(
        self, actor: Actor = _UNKNOWN, held: Iterable[str] = (ISSUER_ADMIN,)
    ) -> Iterator[UnitOfWork]:
        """A unit of work that only reads, and takes no lock."""
        with self._database.reading() as session:
            yield UnitOfWork(session, self._parts, actor, held)

    @contextmanager
    def changing_keys(
        self, actor: Actor, held: Iterable[str] = (ISSUER_ADMIN,)
    ) -> Iterator[UnitOfWork]:
        """`changing`, with due rotation carried out before and after: there is a next key."""
        self.keyring.reconcile()
        with self.changing(actor, held) as work:
            yield work
        self.keyring.reconcile()

    def preview(self, request: "PreviewRequest") -> "Preview":
        """The token that would be issued."""
        return self.explainer.preview(request, self.clock())

    def review(self, unused_for: timedelta) -> "Review":
        """Which rights nobody used for so long."""
        from issuer.review.reviewing import review  # noqa: PLC0415 - 2.0 MB

        with self.reading() as work:
            return review(work, self.clock(), unused_for)

    def propose(self, name: str, unused_for: timedelta) -> "Proposal":
        """The smallest rights of a client or user that cover what it used."""
        from issuer.review.proposals import propose  # noqa: PLC0415 - 2.5 MB

        with self.reading() as work:
            return propose(work, name, self.clock(), unused_for)

    @contextmanager
    def auditing(self, actor: Actor) -> Iterator[Trail]:
        """The audit trail of `actor`, in a transaction of its own that changes nothing else."""
        with self._database.transaction() as session:
            yield self._parts.foundation.trails.begin(session, actor)

    @contextmanager
    def usage(self) -> Iterator["Usage"]:
        """What verifiers report, in a transaction of its own that is no change by an operator."""
        from issuer.usage import Usage  # noqa: PLC0415 - for administrators

        with self._database.transaction() as session:
            yield Usage(session, self.clock)

    def delete_old_usage(self) -> None:
        """Delete what verifiers reported so long ago that it is not kept."""
        from issuer.usage import delete_old_usage  # noqa: PLC0415 - for administrators

        delete_old_usage(self._database, self.clock)

    def keep_client(self, client: ClientRecord, actor: Actor) -> None:
        """Store a client that so far only its metadata document describes."""
        if client.is_fetched:
            with self.changing(actor, held=()) as work:
                work.clients.keep_document(fields_of(client))

    def delete_unused_clients(self) -> None:
        """Delete clients that registered themselves and are not used."""
        self._repeat(lambda work: work.registrations.delete_unused())

    def delete_expired_rights(self) -> None:
        """Delete assignments and scopes of clients that have ended, with an audit event each."""
        with self.reading() as work:
            if not (work.assignments.has_expired() or work.clients.have_expired_scopes()):
                return
        self._repeat(
            lambda work: work.assignments.delete_expired() + work.clients.delete_expired_scopes()
        )

    def inspect_due(self) -> None:
        """Inspect each AgentOS that was not inspected for a day."""
        with self.reading() as work:
            if not (work.audiences.have_urls() and work.inspections.due()):
                return
        self.inspector.inspect_due(partial(self.changing, _ISSUER, held=()), self._database)

    def revoke_postponed(self) -> None:
        """Revoke the tokens of principals that lost rights again, a moment after the last time."""
        with self.reading() as work:
            if not work.revocations.has_postponed():
                return
        self._repeat(lambda work: work.revocations.revoke_postponed())

    def _repeat(self, change: Callable[[UnitOfWork], object]) -> None:
        """Make a change of the issuer's own, in a transaction each time, while there is more."""
        more: object = True
        while more:
            with self.changing(_ISSUER, held=()) as work:
                more = change(work)

    def send_mail(self) -> None:
        """Send what waits now, for a command; `NotSent` if the mail server does not accept it."""
        if self._mailer:
            self._mailer.send_waiting()

    def request_password_reset(self, name: str, actor: Actor) -> None:
        """Send links to users of that name or address, later: the caller learns nothing of them."""

        def send() -> None:
            with self.changing(actor, held=()) as work:
                work.password_resets.request(name)

        if self._mailer:
            self._mailer.later(PASSWORD_RESET, send)

    def require_current(self) -> None:
        """`DatabaseUnavailable` while this process cannot see changes by others."""
        self._tokens.changes.require_current()

    def read_own_token(self, text: str) -> VerifiedToken:
        """The access token for the admin API; `InvalidCredentials` if it is not valid."""
        return self._tokens.own_reader.read(text)

    @property
    def proofs(self) -> ProofChecks:
        """What checks that the caller has the key of its token."""
        return self._tokens.proofs

    @property
    def client_assertions(self) -> "ClientAssertions":
        """How assertions authenticate clients, to explain one."""
        return self._tokens.client_assertions

    def load_current_scopes(self, token: VerifiedToken) -> frozenset[str]:
        """The scopes of the token that its subject has not lost since."""
        return load_current_scopes(self._tokens.directory, token)


@dataclass(frozen=True)
class Access:
    """The caller, its scopes at the issuer's own audience, and units of work in its name."""

    administration: Administration
    actor: Actor
    held: frozenset[str]
    dry_run: bool = field(default=False, kw_only=True)
    warnings: list[str] = field(default_factory=list, kw_only=True)
    """About changes that were made, as sentences."""

    def holds(self, scope: str) -> bool:
        """Whether the caller holds a scope that covers this one."""
        return covers(self.held, scope)

    def require(self, scope: str) -> None:
        """`Forbidden` unless the caller holds a scope that covers this one."""
        if not self.holds(scope):
            raise Forbidden(scope)

    def require_any(self, alternatives: Sequence[tuple[str, ...]]) -> None:
        """`Forbidden` unless every scope of one alternative is covered; (): any scope will do."""
        if any(
            all(map(self.holds, needs)) if needs else counts_here(self.held)
            for needs in alternatives
        ):
            return
        raise Forbidden(next((each for each in alternatives[0] if not self.holds(each)), None))

    def require_read_of(self, subject: "Subject") -> None:
        """`Forbidden` without the right to read the user or client that the question is about."""
        about_user = subject.user_id is not None or subject.on_behalf_of is not None
        about_client = subject.client_id is not None
        if subject.token is not None:
            try:
                _, about_user = self.administration.explainer.subject_of(subject.token)
            except InvalidCredentials as error:
                raise InvalidField("token", error.reason) from None
            about_client = not about_user
        for resource, concerned in (("users", about_user), ("clients", about_client)):
            if concerned:
                self.require(f"issuer:{resource}:read")

    @contextmanager
    def work(self, scope: str) -> Iterator[UnitOfWork]:
        """The domain objects in the transaction of this request; `Forbidden` without `scope`."""
        if scope.endswith(":read"):
            with self.reading(scope) as work:
                yield work
            return
        with self.administration.changing(self.actor, self.held, dry_run=self.dry_run) as work:
            work.authority.drop_lost_scopes()
            work.authority.require(scope)
            yield work
        self.warnings.extend(work.warnings)

    @contextmanager
    def reading(self, scope: str) -> Iterator[UnitOfWork]:
        """A unit of work to read only, where `scope` allows changes as well."""
        with self.administration.reading(self.actor, self.held) as work:
            work.authority.require(scope)
            yield work
