"""The role that a proposal makes is of one client or user at one audience, and of nobody else."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from issuer.errors import NotAllowed
from issuer.fields.ids import is_principal_id
from issuer.review.proposals import _role_name
from issuer.roles import Assignment
from tests.builders import Deployment
from tests.review.test_review import DAY, RUN, SESSIONS, apply, proposed
from tests.usage.reporting import used, used_daily

IDS = st.text(alphabet="a-t:", min_size=1, max_size=8)
AUDIENCES = st.text(alphabet="a-t:/", min_size=1, max_size=8)


@given(st.tuples(IDS, AUDIENCES), st.tuples(IDS, AUDIENCES))
@example(("a", "b-at-c"), ("a-at-b", "c"))
@example(("a", "at-b"), ("a-at", "b"))
@example(("a", "b/c"), ("a", "b-c"))
def test_no_two_principals_or_audiences_have_a_role_of_one_name(
    one: tuple[str, str], other: tuple[str, str]
):
    assert is_principal_id(_role_name(*one))
    assert (_role_name(*one) == _role_name(*other)) == (one == other)


def test_names_of_roles_can_be_read_and_are_not_too_long():
    assert _role_name("ci-bot", "my-os") == "ci-bot-at-my-os"
    long = _role_name("a" * 128, "b" * 255)
    assert len(long) == 128
    assert long != _role_name("a" * 128, "b" * 254)


def test_two_proposals_that_wait_do_not_change_the_rights_of_each_other(deployment: Deployment):
    """`a` at `b-at-c` reads like `a-at-b` at `c`."""
    deployment.audience("b-at-c")
    deployment.audience("c")
    deployment.role("wide", [RUN, SESSIONS])
    deployment.user("first", roles=["wide"], id="a")
    deployment.user("second", roles=["wide"], id="a-at-b")
    for _ in range(31):
        used(deployment, {("a", RUN): (1, 0)}, audience="b-at-c", client_id="web")
        used(deployment, {("a-at-b", SESSIONS): (1, 0)}, audience="c", client_id="web")
        used(deployment)
        deployment.clock.move(DAY)
    proposals = [proposed(deployment, each) for each in ("a", "a-at-b")]
    for proposal in proposals:
        apply(deployment, proposal)
    with deployment.services.administration.reading() as work:
        held = {
            each: [work.roles.get(e.role).scopes for e in work.assignments.of(each)]
            for each in ("a", "a-at-b")
        }
    assert held == {"a": [[RUN]], "a-at-b": [[SESSIONS]]}


@pytest.mark.parametrize("place", ["of another", "everywhere"])
def test_a_role_that_gives_something_elsewhere_as_well_is_not_changed(
    deployment: Deployment, place: str
):
    deployment.role("wide", [RUN, SESSIONS])
    alice = deployment.user("alice", roles=["wide"], id="alice")
    name = deployment.role("alice-at-my-os", [SESSIONS])
    bob = deployment.user("bob")
    holder, audience = (bob, "my-os") if place == "of another" else (alice, None)
    with deployment.changing() as work:
        work.assignments.assign(holder, Assignment(role=name, audience=audience))
    used_daily(deployment, {(alice, RUN): (1, 0)})
    with pytest.raises(NotAllowed, match="alice-at-my-os"):
        proposed(deployment, alice)
    with deployment.changing() as work:
        work.assignments.unassign(holder, Assignment(role=name, audience=audience))
    apply(deployment, proposed(deployment, alice))
    used_daily(deployment, {(alice, RUN): (1, 0)})
    assert proposed(deployment, alice).after == {"my-os": {RUN}}  # the same role again
