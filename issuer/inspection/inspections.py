"""Inspections: what one needs before its first request, and its result."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from issuer.audiences import Audience, AudienceFields, Audiences
from issuer.directory import AudienceRecord
from issuer.errors import NotAllowed, NotFound
from issuer.inspection.components import Components
from issuer.inspection.report import InspectionReport
from issuer.inspection.roles import scopes_not_found
from issuer.inspection.store import InspectionStore
from issuer.inspection.tokens import InspectionTokens
from issuer.keys import Keyring
from issuer.resources import Transaction
from issuer.resources.collection import WithinTransaction
from issuer.roles import RoleFields
from issuer.tokens import TokenIssuer
from issuer.verifiers.known_verifiers import DescribedVerifier, KnownVerifiers
from issuer.vocabulary import INSPECTOR


@dataclass(frozen=True)
class InspectionRequest:
    """Inspect the AgentOS at `url`. `verifiers` are live ones that reported for the audience."""

    issuer: str
    audience: str
    url: str
    tokens: InspectionTokens = field(repr=False)
    verifiers: Sequence[DescribedVerifier]


class Inspections(WithinTransaction):
    """The last inspection of each AgentOS, and the beginning and end of one.

    Between the two no transaction is open: the AgentOS may take its time to answer.
    """

    def __init__(
        self,
        transaction: Transaction,
        audiences: Audiences,
        verifiers: KnownVerifiers,
        issuer: TokenIssuer,
        keyring: Keyring,
    ) -> None:
        super().__init__(transaction)
        self._store = InspectionStore(transaction.session)
        self._audiences = audiences
        self._verifiers = verifiers
        self._issuer = issuer
        self._keyring = keyring

    def last(self, audience_id: str) -> InspectionReport:
        """The last one; `NotFound` if there is no audience of that id, or no inspection of it."""
        self._audiences.get(audience_id)
        if (report := self._store.last(audience_id)) is None:
            raise NotFound("inspection of the audience", audience_id)
        return report

    def find(self, audience_id: str) -> InspectionReport | None:
        """The last one, if there is one."""
        return self._store.last(audience_id)

    def components_of(self, audience_id: str) -> Components | None:
        """What the AgentOS of the audience consists of; None if it was never inspected."""
        return self._store.components_of(audience_id)

    def newest_components(self, limit: int) -> list[Components]:
        """What the AgentOS that were inspected last consist of, in the order of their audiences."""
        return self._store.newest_components(limit)

    def scopes_not_found(self, roles: Iterable[RoleFields]) -> dict[str, list[str]]:
        """The scopes of these roles for what is no longer there, by the name of the role."""
        scopes = {each.name: each.scopes for each in roles}
        return scopes_not_found(self._session, self._clock, scopes, self._audiences.own_id)

    def begin(self, audience_id: str, url: str | None = None) -> InspectionRequest:
        """Tokens for the AgentOS at `url`, by default that of the audience, and their audit events.

        `NotAllowed` if there is no URL, `InvalidField` if no token may be sent there.
        """
        audience = self._audiences.get(audience_id)
        url = AudienceFields.read({"id": audience_id, "url": url or audience.url}).url
        if url is None:
            raise NotAllowed(
                f"The audience {audience_id} has no URL: set the `url` of its AgentOS first."
            )
        self._audiences.require_url(audience_id, url)
        tokens = self._tokens(audience)
        for token in tokens.issued:
            details = token.details(audience_id)
            self._trail.note("token.issued", INSPECTOR, inspection=True, **details)
        reported = [each for each in self._verifiers.all() if each.audience == audience_id]
        live = [each for each in reported if each.live]
        return InspectionRequest(self._audiences.own_id, audience_id, url, tokens, live)

    def _tokens(self, audience: Audience) -> InspectionTokens:
        alg, now = audience.algorithm, self._clock()
        record = AudienceRecord(
            audience.id, alg, access_token_ttl=None, include_roles=False, is_own=False
        )
        sign = partial(self._keyring.sign, alg.at(now))
        return InspectionTokens.issue(self._issuer, sign, record, now)

    def finish(self, report: InspectionReport) -> None:
        """Store the result; `NotFound` if the audience was deleted meanwhile, or replaced."""
        if self._audiences.get(report.audience).created_at > report.inspected_at:
            raise NotFound("audience", report.audience)
        self._store.replace(report)
        self._trail.note(
            "audience.inspected",
            report.audience,
            url=report.url,
            findings=sorted({each.rule for each in report.findings}),
        )
