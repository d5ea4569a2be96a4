"""Inspections: what one needs before its first request, and its result."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from issuer.audiences import Audience, AudienceFields, Audiences
from issuer.audiences.store import AudienceStore
from issuer.directory import AudienceRecord, Rights
from issuer.errors import NotAllowed, NotFound
from issuer.inspection.components import Components, InspectionReport, component_of, not_found
from issuer.inspection.store import InspectionStore
from issuer.inspection.tokens import InspectionTokens
from issuer.inspection.usable import MOST_USABLE, UsableAgentOS, usable
from issuer.keys import Keyring
from issuer.resources import Transaction
from issuer.resources.collection import WithinTransaction
from issuer.roles import RoleFields
from issuer.roles.store import AssignmentStore
from issuer.tokens.issuing import TokenIssuer
from issuer.verifiers.known_verifiers import DescribedVerifier, KnownVerifiers
from issuer.vocabulary import INSPECTOR

MOST_AUDIENCES = 100
INSPECTED_EVERY = timedelta(days=1)
_MOST_PLACES = 5_000


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

    def of_each(self, audience_ids: Iterable[str]) -> dict[str, InspectionReport]:
        """By audience, the last ones of these."""
        return self._store.of_each(audience_ids)

    def due(self) -> list[tuple[str, str]]:
        """The audiences whose AgentOS was not inspected for a day at its URL, with this URL."""
        return self._store.due(self._clock() - INSPECTED_EVERY, MOST_AUDIENCES)

    def components_of(self, audience_id: str) -> Components | None:
        """What the AgentOS of the audience consists of; None if it was never inspected."""
        return self._store.components_of(audience_id)

    def newest_components(self, limit: int) -> list[Components]:
        """What the AgentOS that were inspected last consist of, in the order of their audiences."""
        return self._store.newest_components(limit)

    def scopes_not_found(self, roles: Iterable[RoleFields]) -> dict[str, list[str]]:
        """By role, its scopes for what no AgentOS has where it is assigned.

        A role that is assigned everywhere, or nowhere, may be meant for every AgentOS. Where one of
        them was not inspected, or there are more than `MOST_AUDIENCES`, nothing is said. Roles
        without such scopes are left out. At most five queries.
        """
        if not (naming := _scopes_naming(roles)):
            return {}
        store, own = AssignmentStore(self._session, self._clock), self._audiences.own_id
        places = store.audiences_of_roles(naming, _MOST_PLACES)
        if len(places) >= _MOST_PLACES:
            return {}
        every = AudienceStore(self._session).ids_besides(own, MOST_AUDIENCES + 1)
        placed = defaultdict[str, set[str | None]](set)
        for role, audience in places:
            placed[role].add(audience)
        audiences = filter(None, set().union(*placed.values()))
        inspected = self._store.components_at({*every, *audiences})
        found = {}
        for name, scopes in naming.items():
            where = placed[name] - {own}
            at = every if None in where or not where else sorted(filter(None, where))
            components = map(inspected.get, at)
            if len(at) <= MOST_AUDIENCES and (gone := not_found(scopes, [*components])):
                found[name] = gone
        return found

    def usable_with(self, rights: Rights) -> tuple[list[UsableAgentOS], bool]:
        """The AgentOS that somebody with these rights may use, by name; whether there are more.

        Three queries, about `MOST_USABLE` of them at most: those that a role names come first.
        """
        own = self._audiences.own_id
        ids = dict.fromkeys(each.audience_id for each in rights.roles if each.audience_id)
        if rights.scopes_at(None, is_own=False):
            others = AudienceStore(self._session).ids_besides(own, MOST_USABLE + 1)
            ids |= dict.fromkeys(others)
        ids.pop(own, None)
        looked_at = list(ids)[:MOST_USABLE]
        inspected = self._store.components_at(looked_at)
        audiences = self._audiences.named(looked_at)
        found = (usable(rights, each, inspected.get(each.id)) for each in audiences)
        by_name = sorted(filter(None, found), key=lambda each: (each.name.casefold(), each.id))
        return by_name, len(ids) > MOST_USABLE

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
        """Store the result; `NotFound` if the audience was deleted meanwhile, or replaced.

        Rules that the AgentOS did not break before are an audit event of their own.
        """
        if self._audiences.get(report.audience).created_at > report.inspected_at:
            raise NotFound("audience", report.audience)
        before, found = self._store.last(report.audience), report.rules
        self._store.replace(report)
        about, url = report.audience, report.url
        self._trail.note("audience.inspected", about, url=url, findings=found)
        if new := [each for each in found if before is None or each not in before.rules]:
            self._trail.note("audience.exposed", about, url=url, findings=new)


def _scopes_naming(roles: Iterable[RoleFields]) -> dict[str, list[str]]:
    """By role, its scopes that name a component, if there are any."""
    found = {each.name: [*filter(component_of, each.scopes)] for each in roles}
    return {name: scopes for name, scopes in found.items() if scopes}
