"""The issuer's scope algebra compared with agno's matcher, for each release.

"Opens" is always agno's word: `check_route_scopes` over every route it names, and the ids its
listings show. Only the algebra is ours.
"""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.scopes import InvalidScope, covers, meet, narrow, parse
from tests.rows import rows
from tests.scopes.generators import (
    ADMIN,
    EVERY_SCOPE,
    ISSUER,
    held_and_narrowed,
    invented,
    is_scope,
    scopes,
    two_related_sets,
)
from tests.scopes.oracle import AgnoScopes, Openings

thorough = settings(max_examples=200, deadline=None)


@pytest.fixture(scope="session")
def opened_by(agno: AgnoScopes) -> dict[str, Openings]:
    """What each scope of the vocabulary allows, held alone."""
    openings = agno.openings(*([scope] for scope in EVERY_SCOPE))
    return dict(zip(EVERY_SCOPE, openings, strict=True))


# narrow


@given(held_and_narrowed())
@thorough
@pytest.mark.slow
def test_a_narrowed_token_never_allows_more_than_the_wider_one(agno, case) -> None:
    held, narrowed = case
    wide, narrow_one = agno.openings(held, narrowed)
    assert narrow_one.beyond(wide) == []


@pytest.mark.slow
def test_no_scope_covers_another_that_allows_more(agno, opened_by) -> None:
    """The same for every two scopes of the vocabulary."""
    wrong = {
        (held, asked): beyond
        for held, asked in product(EVERY_SCOPE, repeat=2)
        if covers([held], asked) and (beyond := opened_by[asked].beyond(opened_by[held]))
    }
    assert wrong == {}


@pytest.mark.slow
def test_a_scope_that_allows_no_more_is_granted(agno, opened_by) -> None:
    """Of two scopes that agno's routes can tell apart, the narrower can always be requested."""
    nothing = agno.openings([])[0]
    refused = {
        (held, asked)
        for held, asked in product(EVERY_SCOPE, repeat=2)
        if opened_by[asked].beyond(nothing)
        and not opened_by[asked].beyond(opened_by[held])
        and not covers([held], asked)
    }
    assert refused == set()


# meet


@given(two_related_sets())
@thorough
@pytest.mark.slow
def test_an_intersection_allows_exactly_what_both_sides_allow(agno, case) -> None:
    ours, theirs = case
    by_us, by_them, by_both = agno.openings(ours, theirs, meet(ours, theirs))
    expected = by_us.shared_with(by_them)
    assert by_both.beyond(by_us) == []
    assert by_both.beyond(by_them) == []
    assert expected.beyond(by_both) == []


@pytest.mark.slow
def test_the_intersection_of_two_scopes_allows_exactly_what_both_allow(agno, opened_by) -> None:
    """The same for every two scopes of the vocabulary."""
    pairs = {
        (ours, theirs): meet([ours], [theirs]) for ours, theirs in product(EVERY_SCOPE, repeat=2)
    }
    sets = sorted(set(pairs.values()), key=sorted)
    opened_by_set = dict(zip(sets, agno.openings(*sets), strict=True))
    wrong = {
        (ours, theirs): beyond
        for (ours, theirs), both in pairs.items()
        if (
            beyond := opened_by_set[both].beyond(opened_by[ours])
            + opened_by_set[both].beyond(opened_by[theirs])
            + opened_by[ours].shared_with(opened_by[theirs]).beyond(opened_by_set[both])
        )
    }
    assert wrong == {}


@given(st.frozensets(scopes, max_size=6), st.frozensets(scopes, max_size=6))
def test_an_intersection_is_covered_by_both_sides(ours, theirs) -> None:
    both = meet(ours, theirs)
    assert narrow(ours, both) == both
    assert narrow(theirs, both) == both


@given(st.frozensets(scopes, max_size=4), st.frozensets(scopes, max_size=4), scopes)
def test_an_intersection_covers_what_both_sides_cover(ours, theirs, asked) -> None:
    both_cover = covers(ours, asked) and covers(theirs, asked)
    assert covers(meet(ours, theirs), asked) == both_cover


@given(st.frozensets(scopes, max_size=6))
def test_the_intersection_with_itself_is_the_same_set(held) -> None:
    assert meet(held, held) == held


# covers


def expected_of(agno_says: bool, held: str, asked: str) -> bool:
    """Agno's answer, except for names of one part: agno matches none; here each covers itself."""
    return agno_says or (":" not in asked and held == asked)


def test_covers_agrees_with_agno_on_every_two_scopes(agno) -> None:
    pairs = list(product(EVERY_SCOPE, repeat=2))
    wrong = [
        (held, asked)
        for (held, asked), agno_says in zip(pairs, agno.matches(pairs), strict=True)
        if covers([held], asked) != expected_of(agno_says, held, asked)
    ]
    assert wrong == []


@pytest.mark.slow
@given(st.lists(st.tuples(invented, invented), min_size=100, max_size=100))
@settings(max_examples=50, deadline=None)
def test_covers_agrees_with_agno_on_invented_names(agno, pairs) -> None:
    for (held, asked), agno_says in zip(pairs, agno.matches(pairs), strict=True):
        assert covers([held], asked) == expected_of(agno_says, held, asked), (held, asked)


@given(st.frozensets(scopes, max_size=6), scopes)
def test_a_set_covers_what_one_of_its_scopes_covers(held, asked) -> None:
    assert covers(held, asked) == any(covers([scope], asked) for scope in held)


@given(scopes)
def test_every_scope_covers_itself(scope) -> None:
    assert covers([scope], scope)


def test_covering_is_transitive() -> None:
    everything = [*EVERY_SCOPE, *ISSUER]
    covered_by = {a: {b for b in everything if covers([a], b)} for a in everything}
    for wide, middle in covered_by.items():
        for scope in middle:
            assert covered_by[scope] <= middle, (wide, scope)


@given(st.text("ab:*<", max_size=7), st.text("ab:*<", max_size=7))
def test_the_grammar_allows_what_agno_can_parse(held, asked) -> None:
    """One to three parts, none empty."""
    for text in (held, asked):
        parts = text.split(":")
        assert is_scope(text) == (all(parts) and len(parts) <= 3)


# names that matter


def test_a_wildcard_in_agent_os_admin_gives_no_admin_rights(agno) -> None:
    nothing, admin, wildcard = agno.openings([], [ADMIN], ["agent_os:*:admin"])
    assert wildcard.beyond(nothing) == []
    assert admin.beyond(nothing)
    assert not covers(["agent_os:*:admin"], ADMIN)
    assert not covers(["agent_os:*:admin"], "agents:run")


def test_system_and_config_allow_the_same(agno) -> None:
    for action, form in product(("read", "write"), ("{}:{}", "{}:*:{}")):
        old, new = form.format("system", action), form.format("config", action)
        by_old, by_new = agno.openings([old], [new])
        assert by_old == by_new
        assert covers([old], new)
        assert covers([new], old)
        assert meet([old], [new]) == {old}


def test_an_empty_id_would_allow_every_id_and_is_refused(agno) -> None:
    by_empty, by_all = agno.openings(["agents::run"], ["agents:run"])
    assert by_empty == by_all
    with pytest.raises(InvalidScope):
        parse("agents::run")


def test_four_parts_allow_nothing_and_are_refused(agno) -> None:
    nothing, by_four = agno.openings([], ["agents:web:extra:run"])
    assert by_four == nothing
    with pytest.raises(InvalidScope):
        parse("agents:web:extra:run")


@rows("scope", ISSUER)
def test_the_scopes_of_the_issuer_allow_nothing_at_agentos(agno, scope) -> None:
    nothing, by_issuer = agno.openings([], [scope])
    assert by_issuer == nothing
    assert not covers([ADMIN], scope)
    assert not covers(EVERY_SCOPE, scope)
    assert meet([ADMIN], [scope]) == frozenset()


@rows("scope", ISSUER)
def test_the_scopes_of_the_issuer_cover_nothing_of_agentos(scope) -> None:
    assert [other for other in EVERY_SCOPE if covers([scope], other)] == []


def test_the_compared_routes_are_all_routes_of_agno(agno) -> None:
    """So that the tests above cover ids at every depth and every scope."""
    required = {scope for scopes in agno.required.values() for scope in scopes}
    assert len(agno.required) > 500
    assert {"agents:run", "teams:read", "config:write", "service_accounts:delete"} <= required
    assert required <= {*EVERY_SCOPE}
    assert agno.required["POST /a2a/agents/web/v1/message:send"] == ["agents:run"]
    assert agno.required["GET /nowhere"] == []
