"""Narrowed tokens that name roles, at an AgentOS where roles decide (`roles_claim`, agno 3.1).

agno 2.9 has no `roles_claim`: there, the scopes of the token decide whatever it names.
"""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.algorithms import AlgorithmInUse
from issuer.directory import AudienceRecord, ClientRecord, Rights, RoleGrant
from issuer.tokens.authorization import Authorization
from issuer.vocabulary import AuthMethod, RegisteredBy, SigningAlgorithm, UserRights
from tests.scopes.generators import (
    ADMIN,
    ISSUER,
    agentos_scopes,
    granted,
    held_sets,
    narrower,
)
from tests.scopes.oracle import AgnoScopes

Roles = dict[str, frozenset[str]]

AUDIENCE = AudienceRecord("my-os", AlgorithmInUse(SigningAlgorithm.RS256), None, True, False)
SERVICE = ClientRecord(
    "service",
    AuthMethod.CLIENT_SECRET_BASIC,
    frozenset(),
    {AUDIENCE.id: AUDIENCE},
    UserRights.OWN,
    RegisteredBy.ADMIN,
    access_token_ttl=timedelta(minutes=5),
)


@st.composite
def roles_and_narrowed(draw: st.DrawFn) -> tuple[Roles, frozenset[str]]:
    """Roles that somebody holds, and scopes to which a token is narrowed."""
    contents = draw(st.lists(held_sets, min_size=1, max_size=4))
    held = sorted(frozenset().union(*contents))
    part = st.sampled_from(held).flatmap(narrower) if held else agentos_scopes
    asked = draw(st.frozensets(st.one_of(agentos_scopes, part, part, part), max_size=6))
    return {f"role-{n}": scopes for n, scopes in enumerate(contents)}, granted(held, asked)


def narrowed(roles: Roles, asked: frozenset[str]) -> Authorization:
    rights = Rights(frozenset(), tuple(RoleGrant(name, None, roles[name]) for name in roles))
    whole = Authorization("alice", SERVICE, AUDIENCE, rights.at(AUDIENCE), rights)
    return whole.narrowed_to(asked)


def beyond_its_scopes(agno: AgnoScopes, roles: Roles, asked: frozenset[str]) -> list[str]:
    """What the names of roles in a narrowed token open that its scopes do not."""
    token = narrowed(roles, asked)
    by_roles = agno.openings_by_roles(roles, token.role_names(), token.scopes)
    return by_roles.beyond(agno.openings(token.scopes)[0])


@given(roles_and_narrowed())
@settings(max_examples=100, deadline=None)
@pytest.mark.slow
def test_a_narrowed_token_opens_nothing_by_roles_that_its_scopes_do_not_open(agno, case) -> None:
    assert beyond_its_scopes(agno, *case) == []


def test_an_administrators_narrow_token_opens_little_where_roles_decide(agno) -> None:
    roles = {"osadmin": frozenset({ADMIN}), "readers": frozenset({"agents:read"})}
    assert beyond_its_scopes(agno, roles, frozenset({"agents:web:read"})) == []
    assert beyond_its_scopes(agno, roles, frozenset({"agents:read"})) == []


def test_a_role_opens_what_the_scopes_of_an_unnarrowed_token_open(agno) -> None:
    """Otherwise a test above could pass since roles open nothing."""
    roles = {"runners": frozenset({"agents:run", "sessions:read"})}
    token = narrowed(roles, roles["runners"])
    by_roles = agno.openings_by_roles(roles, token.role_names(), token.scopes)
    assert agno.openings(token.scopes)[0].open == by_roles.open


def test_scopes_that_do_not_count_at_an_agentos_keep_no_role_out() -> None:
    """Nor is a role named that has no others."""
    roles = {"both": frozenset({"agents:run", *ISSUER}), "issuer": frozenset(ISSUER)}
    assert narrowed(roles, frozenset({"agents:run"})).role_names() == ["both"]
