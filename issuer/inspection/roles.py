"""Roles that name agents, teams and workflows which are no longer there."""

from collections.abc import Mapping, Sequence

from issuer.audiences.store import AudienceStore
from issuer.clock import Clock
from issuer.database import Session
from issuer.inspection.components import named_by, not_found
from issuer.inspection.store import InspectionStore
from issuer.roles.store import AssignmentStore

MOST_AUDIENCES = 100
_MOST_PLACES = 5_000


def scopes_not_found(
    session: Session, clock: Clock, scopes_of: Mapping[str, Sequence[str]], own_audience: str
) -> dict[str, list[str]]:
    """By role, its scopes for what no AgentOS has where it is assigned; `scopes_of` are theirs.

    A role that is assigned everywhere, or nowhere, may be meant for every AgentOS. Where one of
    them was not inspected, or there are more than `MOST_AUDIENCES`, nothing is said. Roles without
    such scopes are left out. At most five queries.
    """
    naming = {name: [s for s in scopes if named_by(s)] for name, scopes in scopes_of.items()}
    naming = {name: scopes for name, scopes in naming.items() if scopes}
    if not naming:
        return {}
    places = AssignmentStore(session, clock).audiences_of_roles(naming, _MOST_PLACES)
    if len(places) >= _MOST_PLACES:
        return {}
    every = AudienceStore(session).ids_besides(own_audience, MOST_AUDIENCES + 1)
    placed = {at for _, at in places if at}
    inspected = InspectionStore(session).components_at({*every, *placed})
    found: dict[str, list[str]] = {}
    for name, scopes in naming.items():
        where = {at for role, at in places if role == name} - {own_audience}
        at = every if None in where or not where else sorted(filter(None, where))
        if len(at) <= MOST_AUDIENCES:
            found[name] = not_found(scopes, [inspected.get(each) for each in at])
    return {name: scopes for name, scopes in found.items() if scopes}
