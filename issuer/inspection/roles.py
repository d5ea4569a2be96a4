"""Roles that name agents, teams and workflows which are no longer there."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from issuer.audiences.store import AudienceStore
from issuer.clock import Clock
from issuer.database import Session
from issuer.inspection.components import component_of, not_found
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
    naming = _scopes_naming(scopes_of)
    if not naming:
        return {}
    places = AssignmentStore(session, clock).audiences_of_roles(naming, _MOST_PLACES)
    if len(places) >= _MOST_PLACES:
        return {}
    every = AudienceStore(session).ids_besides(own_audience, MOST_AUDIENCES + 1)
    placed = defaultdict[str, set[str | None]](set)
    for role, audience in places:
        placed[role].add(audience)
    audiences = filter(None, set().union(*placed.values()))
    inspected = InspectionStore(session).components_at({*every, *audiences})
    found = {}
    for name, scopes in naming.items():
        where = placed[name] - {own_audience}
        at = every if None in where or not where else sorted(filter(None, where))
        components = map(inspected.get, at)
        if len(at) <= MOST_AUDIENCES and (gone := not_found(scopes, [*components])):
            found[name] = gone
    return found


def _scopes_naming(scopes_of: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """By role, its scopes that name a component, if there are any."""
    found = {name: [*filter(component_of, scopes)] for name, scopes in scopes_of.items()}
    return {name: scopes for name, scopes in found.items() if scopes}
