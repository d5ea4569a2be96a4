"""What an authenticated caller may do in the administration of the issuer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from issuer.audit import Actor
from issuer.catalogue import counts_here
from issuer.composition.administration import Administration
from issuer.composition.unit_of_work import UnitOfWork
from issuer.errors import Forbidden, InvalidCredentials, InvalidField
from issuer.explain.explaining import Subject
from issuer.scopes import covers


@dataclass(frozen=True)
class Access:
    """The caller, its scopes at the issuer's own audience, and units of work in its name."""

    administration: Administration
    actor: Actor
    held: frozenset[str]

    def holds(self, scope: str) -> bool:
        """Whether the caller holds a scope that covers this one."""
        return covers(self.held, scope)

    def require(self, scope: str) -> None:
        """`Forbidden` unless the caller holds a scope that covers this one."""
        if not self.holds(scope):
            raise Forbidden(scope)

    def require_any(self, alternatives: Sequence[tuple[str, ...]]) -> None:
        """`Forbidden` unless every scope of one alternative is covered; (): any scope will do."""
        if counts_here(self.held) and any(
            all(self.holds(each) for each in needs) for needs in alternatives
        ):
            return
        raise Forbidden(next((each for each in alternatives[0] if not self.holds(each)), None))

    def require_read_of(self, subject: Subject) -> None:
        """`Forbidden` without the right to read the user or client that the question is about."""
        about_user, about_client = subject.user_id is not None, subject.client_id is not None
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
        reads = scope.endswith(":read")
        transaction = self.administration.reading if reads else self.administration.changing
        with transaction(self.actor, self.held) as work:
            if not reads:
                work.authority.drop_lost_scopes()
            work.authority.require(scope)
            yield work
