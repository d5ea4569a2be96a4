"""`decide` against agno itself, over every route of every minor version we support.

Agno's answer is its map (`check_route_scopes`) and then the checks of the router, after a redirect:
see `decision_oracle.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from issuer.catalogue.catalogue import Catalogue, Route
from issuer.catalogue.decision import Decision, decide_at
from issuer.scopes import InvalidScope, covers, parse
from tests.agentos.releases import AgnoRelease
from tests.catalogue.cases import FAMILIES, IDS, OPERATOR_ROUTES, cases
from tests.catalogue.oracle import Agno, Case, Verdict

pytestmark = pytest.mark.slow

BATCH = 5_000
MANY = 100_000
DRAWN_FOR_MANY = 140_000  # some requests, such as one without scopes, are drawn repeatedly


@pytest.fixture
def catalogue(agno: Agno) -> Catalogue:
    return Catalogue.load(agno.minor)


def test_decide_agrees_with_agno(agno: Agno, catalogue: Catalogue) -> None:
    """Whether a request is allowed, and which ids its list shows."""
    asked = list(dict.fromkeys(cases(catalogue, DRAWN_FOR_MANY, seed=1)))
    assert len(asked) >= MANY
    assert list(disagreements(agno, catalogue, asked))[:5] == []
    refused = sum(not decide_at(catalogue, *case).allowed for case in asked[:BATCH])
    assert BATCH * 0.2 < refused < BATCH * 0.8  # so that both answers occur


def test_decide_agrees_with_agno_on_routes_that_an_operator_adds(release: AgnoRelease) -> None:
    """Up to agno 3.0, the id of an agent in the path is the id of any required resource."""
    with Agno(release) as agno:
        agno.add_routes(OPERATOR_ROUTES)
        catalogue = with_routes_of_an_operator(Catalogue.load(agno.minor))
        asked = list(cases(catalogue, BATCH * 4, seed=2))
        assert list(disagreements(agno, catalogue, asked))[:5] == []


def test_the_scopes_that_allow_a_request_allow_it_alone(agno: Agno, catalogue: Catalogue) -> None:
    asked = list(cases(catalogue, BATCH, seed=3))
    ours = {case: decide_at(catalogue, *case) for case in asked}
    alone = [
        case._replace(scopes=decision.by) for case, decision in ours.items() if decision.allowed
    ]
    assert [case for case, answer in answers(agno, alone) if not answer.allowed][:5] == []


def test_the_smallest_addition_allows_the_request(agno: Agno, catalogue: Catalogue) -> None:
    added = [with_scopes(case, ours.smallest_addition) for case, ours in refusals(catalogue)]
    assert len(added) > BATCH
    assert [case for case, answer in answers(agno, added) if not answer.allowed][:5] == []


def test_no_narrower_addition_allows_the_request(agno: Agno, catalogue: Catalogue) -> None:
    """Every scope of the addition narrowed to each id, or left out."""
    narrowed = [
        with_scopes(case, [*others, *instead])
        for case, ours in refusals(catalogue)
        for one in ours.smallest_addition
        for others in [[other for other in ours.smallest_addition if other != one]]
        for instead in [[], *([scope] for scope in narrower_than(one, case))]
    ]
    assert len(narrowed) > BATCH
    assert [case for case, answer in answers(agno, narrowed) if answer.allowed][:5] == []


def disagreements(
    agno: Agno, catalogue: Catalogue, asked: Sequence[Case]
) -> Iterator[tuple[Case, Verdict, Decision]]:
    for case, answer in answers(agno, asked):
        ours = decide_at(catalogue, *case)
        if (ours.allowed, ours.listing) != answer:
            yield case, answer, ours


def answers(agno: Agno, asked: Sequence[Case]) -> Iterator[tuple[Case, Verdict]]:
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        yield from zip(batch, agno.verdicts(batch), strict=True)


def refusals(catalogue: Catalogue) -> Iterator[tuple[Case, Decision]]:
    for case in cases(catalogue, BATCH * 4, seed=4):
        ours = decide_at(catalogue, *case)
        if not ours.allowed:
            yield case, ours


def with_scopes(case: Case, more: Sequence[str]) -> Case:
    return case._replace(scopes=(*case.scopes, *more))


def narrower_than(scope: str, case: Case) -> list[str]:
    """Scopes narrower than `scope`; none for a list, where any id is enough."""
    if case.path.strip("/") in FAMILIES or case.path.startswith("/filesystem/"):
        return []
    resource, *_, action = scope.split(":")
    forms = [f"{resource}:{one}:{action}" for one in IDS]
    return [form for form in forms if is_scope(form) and is_narrower(form, scope)]


def is_narrower(form: str, scope: str) -> bool:
    return covers([scope], form) and not covers([form], scope)


def is_scope(text: str) -> bool:
    try:
        parse(text)
    except InvalidScope:
        return False
    return True


def with_routes_of_an_operator(catalogue: Catalogue) -> Catalogue:
    routes = tuple(
        Route(*route.split(" ", 1), tuple(required)) for route, required in OPERATOR_ROUTES.items()
    )
    return replace(catalogue, routes=routes + catalogue.routes)
