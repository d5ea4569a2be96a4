"""A review says which rights nobody uses, and only where every day was reported."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from issuer import manifest
from issuer.database.tables import AssignmentRow, GroupMemberRow
from issuer.errors import Forbidden, NotAllowed
from issuer.manifest.exporting import write_yaml
from issuer.review import reviewing
from issuer.review.evidence import FindingKind
from issuer.review.proposals import Proposal, propose
from issuer.review.reviewing import (
    AccessReviewPlace,
    Review,
    access_review,
    access_review_part,
    review,
)
from issuer.roles import Assignment
from tests.builders import OPERATOR, Deployment
from tests.sign_in.people import People
from tests.usage.reporting import used, used_daily

DAY = timedelta(days=1)
RUN, READ, SESSIONS = "agents:run", "agents:read", "sessions:read"


@pytest.fixture
def ci(deployment: Deployment) -> str:
    """A client that may run agents and read sessions, the latter through a role."""
    deployment.role("reader", [SESSIONS])
    return deployment.client("ci", scopes=[RUN], roles=["reader"]).client_id


def days(deployment: Deployment, number: int, *scopes: str, subject: str = "ci") -> None:
    """On each of these days, a verifier reported that the subject used these scopes."""
    used_daily(deployment, {(subject, scope): (1, 0) for scope in scopes}, number)


def reviewed(deployment: Deployment, **options: timedelta) -> Review:
    with deployment.services.administration.reading() as work:
        return review(work, deployment.clock(), **options)


def proposed(deployment: Deployment, name: str) -> Proposal:
    with deployment.services.administration.reading() as work:
        return propose(work, name, deployment.clock())


def apply(
    deployment: Deployment, proposal: Proposal, change_count: int | None = None
) -> manifest.ManifestPlan:
    """To the configuration as it is now, or only if it still is that at `change_count`."""
    with deployment.services.administration.changing(OPERATOR) as work:
        plan = manifest.plan(work, manifest.read(write_yaml(dict(proposal.manifest))))
        count = plan.change_count if change_count is None else change_count
        manifest.apply(work, replace(plan, change_count=count))
    return plan


def found(deployment: Deployment, kind: FindingKind) -> set[str | None]:
    """The scopes of the findings of a kind."""
    return {each.scope for each in reviewed(deployment).findings if each.kind is kind}


def test_a_right_that_was_not_used_for_30_days_is_found(deployment: Deployment, ci: str):
    days(deployment, 31, "agents:web:run")
    assert found(deployment, FindingKind.UNUSED) == {SESSIONS}
    assert found(deployment, FindingKind.RARELY_USED) == set()
    (finding,) = (e for e in reviewed(deployment).findings if e.kind is FindingKind.UNUSED)
    assert finding.through == "the role reader everywhere"
    assert "ci holds sessions:read at my-os" in finding.sentence


def test_a_right_of_which_only_a_part_was_used_is_found(deployment: Deployment, ci: str):
    days(deployment, 31, "agents:web:run", SESSIONS)
    (finding,) = (e for e in reviewed(deployment).findings if e.kind is FindingKind.PARTLY_USED)
    assert "ci holds agents:run at my-os" in finding.sentence
    assert finding.sentence.endswith("and used only agents:web:run of it.")
    assert proposed(deployment, ci).after == {"my-os": {"agents:web:run", SESSIONS}}
    days(deployment, 1, RUN)
    assert found(deployment, FindingKind.PARTLY_USED) == set()


def test_what_was_partly_used_is_not_said_of_what_was_just_given(deployment: Deployment, ci: str):
    days(deployment, 31, RUN)
    deployment.client("new", scopes=[RUN])
    used(deployment, {("new", "agents:web:run"): (1, 0)})
    assert found(deployment, FindingKind.PARTLY_USED) == set()


def test_a_right_that_is_used_once_a_month_is_shown_as_rarely_used(deployment: Deployment, ci: str):
    days(deployment, 1, RUN, SESSIONS)
    days(deployment, 35, RUN)
    assert found(deployment, FindingKind.UNUSED) == set()
    assert found(deployment, FindingKind.RARELY_USED) == {SESSIONS}
    assert proposed(deployment, ci).after == {"my-os": {RUN, SESSIONS}}


@pytest.mark.parametrize("reported", ["never", "not every day", "too briefly", "with others"])
def test_nothing_is_unused_where_reports_are_incomplete(
    deployment: Deployment, ci: str, reported: str
):
    if reported == "not every day":
        days(deployment, 20, RUN)
        deployment.clock.move(DAY)
        days(deployment, 20, RUN)
    elif reported == "too briefly":
        deployment.clock.move(30 * DAY)
        days(deployment, 29, RUN)
    elif reported == "with others":
        days(deployment, 30, RUN)
        used(deployment, others={"allowed": 1})
        deployment.clock.move(DAY)
    else:
        deployment.clock.move(31 * DAY)
    result = reviewed(deployment)
    assert not result.coverage[0].is_known
    assert found(deployment, FindingKind.UNUSED) == set()
    assert found(deployment, FindingKind.UNUSED_ROLE) == set()
    with pytest.raises(NotAllowed, match="What is used at my-os is unknown"):
        proposed(deployment, ci)
    with deployment.services.administration.reading() as work:
        verdicts = {row.scope: row.verdict for row in access_review(work, deployment.clock())}
    assert verdicts[SESSIONS] == "unknown"


def test_what_was_given_within_the_period_is_not_judged(deployment: Deployment, ci: str):
    days(deployment, 31, RUN)
    deployment.client("new", scopes=[RUN])
    assert found(deployment, FindingKind.UNUSED) == {SESSIONS}


def test_a_role_is_unused_if_none_of_its_holders_used_it(deployment: Deployment, ci: str):
    deployment.role("nobody", [READ])
    days(deployment, 31, RUN)
    through = {e.kind: e.through for e in reviewed(deployment).findings if e.scope is None}
    assert through[FindingKind.UNUSED_ROLE] == "the role reader"
    assert through[FindingKind.ROLE_WITHOUT_HOLDERS] == "the role nobody"
    deployment.user("alice", roles=["reader"], id="alice")
    days(deployment, 31, SESSIONS, subject="alice")
    kinds = {each.kind for each in reviewed(deployment).findings}
    assert FindingKind.UNUSED_ROLE not in kinds


def test_clients_and_secrets_that_nobody_uses_are_found(deployment: Deployment, ci: str):
    days(deployment, 31)
    kinds = {
        each.kind: each.principal and each.principal.id
        for each in reviewed(deployment).findings
        if each.principal and each.principal.id == "ci"
    }
    assert kinds[FindingKind.UNUSED_CLIENT] == "ci"
    assert kinds[FindingKind.UNUSED_SECRET] == "ci"


def test_a_verifier_says_nothing_about_clients_without_its_audience(
    deployment: Deployment, ci: str
):
    deployment.audience("other-os")
    days(deployment, 31)
    used(deployment, {(ci, RUN): (1, 1), (ci, "teams:run"): (0, 1)}, audience="other-os")
    kinds = {e.kind for e in reviewed(deployment).findings if e.principal and e.principal.id == ci}
    assert FindingKind.UNUSED_CLIENT in kinds
    assert FindingKind.REFUSED not in kinds


def test_people_who_do_not_sign_in_are_found(deployment: Deployment):
    deployment.user("alice")
    assert reviewed(deployment).findings == []
    deployment.clock.move(31 * DAY)
    people = [e for e in reviewed(deployment).findings if e.kind is FindingKind.NEVER_SIGNED_IN]
    assert [each.principal and each.principal.name for each in people] == ["alice"]


def test_a_passkey_counts_as_a_sign_in(deployment: Deployment):
    people = People(deployment, deployment.clock)
    passkey = people.passkey_of(deployment.user("alice"))
    deployment.clock.move(31 * DAY)
    people.sign_in(passkey)
    signing_in = {FindingKind.NEVER_SIGNED_IN, FindingKind.NOT_SIGNED_IN}
    kinds = {each.kind for each in reviewed(deployment).findings}
    assert not kinds & signing_in
    deployment.clock.move(31 * DAY)
    kinds = {each.kind for each in reviewed(deployment).findings}
    assert kinds & signing_in == {FindingKind.NOT_SIGNED_IN}


@pytest.mark.parametrize("bound", ["MOST_PRINCIPALS", "MOST_FINDINGS"])
def test_a_review_says_when_it_leaves_something_out(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, bound: str
):
    for name in ("alice", "bob", "carol"):
        deployment.user(name)
    deployment.clock.move(31 * DAY)
    for most, is_complete in ((3, True), (2, False)):
        monkeypatch.setattr(reviewing, bound, most)
        result = reviewed(deployment)
        kinds = [each.kind for each in result.findings]
        assert kinds.count(FindingKind.NEVER_SIGNED_IN) == most
        assert result.is_complete is is_complete


def test_refusals_that_look_like_a_missing_right_are_found(deployment: Deployment, ci: str):
    used(deployment, {("ci", "teams:run"): (0, 3), ("ci", "agents:web:run"): (1, 1)})
    (refusal,) = (e for e in reviewed(deployment).findings if e.kind is FindingKind.REFUSED)
    assert (refusal.scope, refusal.requests) == ("teams:run", 3)


def test_the_refusals_of_one_caller_do_not_hide_those_of_others(deployment: Deployment, ci: str):
    """A caller may invent as many agents as it likes."""
    deployment.client("lacking", scopes=[RUN])
    invented = {("ci", f"teams:{number}:run"): (0, 1) for number in range(20)}
    used(deployment, invented | {("ci", "teams:run"): (0, 2), ("lacking", READ): (0, 1)})
    refused = [e for e in reviewed(deployment).findings if e.kind is FindingKind.REFUSED]
    of_ci = [each for each in refused if each.principal and each.principal.id == "ci"]
    assert (len(of_ci), of_ci[0].scope) == (10, "teams:run")
    assert [each.scope for each in refused if each not in of_ci] == [READ]


def test_a_proposal_is_a_manifest_that_gives_just_what_was_used(deployment: Deployment, ci: str):
    days(deployment, 31, "agents:web:run")
    proposal = proposed(deployment, ci)
    assert proposal.before == {"my-os": {RUN, SESSIONS}}
    assert proposal.after == {"my-os": {"agents:web:run"}}
    apply(deployment, proposal)
    with deployment.services.administration.reading() as work:
        assert work.clients.get("ci").scopes == ["agents:web:run"]
        assert work.assignments.of("ci") == []
    assert proposed(deployment, ci).after == proposed(deployment, ci).before


def test_a_user_gets_a_role_of_its_own_at_each_audience(deployment: Deployment):
    deployment.audience("other-os")
    deployment.role("wide", ["agent_os:admin"])
    alice = deployment.user("alice", roles=["wide"])
    for _ in range(31):
        used(deployment, {(alice, RUN): (1, 0)}, client_id="web")
        used(deployment, {(alice, READ): (1, 0)}, client_id="web", audience="other-os")
        deployment.clock.move(DAY)
    proposal = proposed(deployment, alice)
    assert proposal.after == {"my-os": {RUN}, "other-os": {READ}}
    assert "agent_os:admin" in proposal.note
    assert {each["name"] for each in proposal.manifest["roles"]} == {
        f"{alice}-at-my-os",
        f"{alice}-at-other-os",
    }
    apply(deployment, proposal)
    with deployment.services.administration.reading() as work:
        assert {each.role for each in work.assignments.of(alice)} == {
            f"{alice}-at-my-os",
            f"{alice}-at-other-os",
        }


def test_what_was_given_within_the_period_stays_in_a_proposal(deployment: Deployment, ci: str):
    days(deployment, 31, RUN)
    deployment.role("new", ["teams:run"])
    with deployment.changing() as work:
        work.assignments.assign(ci, Assignment(role="new", audience="my-os"))
    assert proposed(deployment, ci).after == {"my-os": {RUN, "teams:run"}}


@pytest.mark.parametrize("ends_in", [-DAY, DAY])
def test_a_right_that_ends_by_itself_is_not_made_lasting(
    deployment: Deployment, ci: str, ends_in: timedelta
):
    days(deployment, 31, RUN, SESSIONS)
    at = deployment.clock() + ends_in
    with deployment.services.database.transaction() as session:
        session.execute(update(AssignmentRow).values(expires_at=at))
    if ends_in > timedelta(0):
        with pytest.raises(NotAllowed, match="holds sessions:read until"):
            proposed(deployment, ci)
    else:
        assert proposed(deployment, ci).before == {"my-os": {RUN}}


def test_rights_at_the_issuer_itself_stay(deployment: Deployment):
    deployment.role("support", ["issuer:users:read"])
    alice = deployment.user("alice", roles=["support"])
    deployment.role("runner", [RUN])
    with deployment.changing() as work:
        work.assignments.assign(alice, Assignment(role="runner", audience="my-os"))
    days(deployment, 31)
    (entry,) = proposed(deployment, alice).manifest["users"]
    assert entry["roles"] == [{"role": "support"}]


def test_what_a_new_member_got_from_a_group_is_not_judged(deployment: Deployment):
    deployment.role("reader", [SESSIONS])
    group = deployment.group("team", [deployment.user("alice")], roles=["reader"])
    days(deployment, 31)
    assert found(deployment, FindingKind.UNUSED) == {SESSIONS}
    bob = deployment.user("bob", id="bob")
    days(deployment, 31)
    with deployment.changing() as work:
        work.groups.add_members(group, [bob])
    unused = [e for e in reviewed(deployment).findings if e.kind is FindingKind.UNUSED]
    assert [each.principal.name for each in unused if each.principal] == ["alice"]


def test_a_right_through_a_group_is_held_since_the_later_of_the_role_and_the_membership(
    deployment: Deployment,
):
    deployment.role("reader", [SESSIONS])
    alice = deployment.user("alice")
    group = deployment.group("team", [alice], roles=["reader"])
    joined = deployment.clock()
    days(deployment, 31)
    bob = deployment.user("bob")
    with deployment.changing() as work:
        work.groups.add_members(group, [bob])
    with deployment.services.administration.reading() as work:
        rows = {row.principal.name: row for row in access_review(work, deployment.clock())}
    assert rows["alice"].given_at == joined
    assert rows["alice"].verdict == "unused"
    assert rows["bob"].given_at == deployment.clock()
    assert rows["bob"].given_by == rows["alice"].given_by
    assert rows["bob"].verdict == "unknown"


def test_a_membership_without_a_date_is_judged_by_the_last_change_of_the_group(
    deployment: Deployment,
):
    """Such as of an issuer that was upgraded."""
    deployment.role("reader", [SESSIONS])
    group = deployment.group("team", [deployment.user("alice")], roles=["reader"])
    days(deployment, 31)
    with deployment.services.database.transaction() as session:
        session.execute(update(GroupMemberRow).values(given_at=None))
    assert found(deployment, FindingKind.UNUSED) == {SESSIONS}
    bob = deployment.user("bob")
    with deployment.changing() as work:
        work.groups.add_members(group, [bob])
    assert found(deployment, FindingKind.UNUSED) == set()


def test_what_a_group_gives_is_not_proposed_for_one_member(deployment: Deployment):
    alice = deployment.user("alice")
    deployment.role("reader", [SESSIONS])
    deployment.group("team", [alice], roles=["reader"])
    days(deployment, 31)
    with pytest.raises(NotAllowed, match="review the group"):
        proposed(deployment, alice)
    with deployment.services.administration.reading() as work:
        (row,) = access_review(work, deployment.clock())
    assert row.through == "the role reader everywhere through the group team"
    assert row.verdict == "unused"


@pytest.mark.parametrize(("most", "looked_at"), [(1, 100), (3, 100), (100, 1), (100, 100)])
def test_the_parts_of_the_access_review_have_each_row_once(
    deployment: Deployment, ci: str, monkeypatch: pytest.MonkeyPatch, most: int, looked_at: int
):
    monkeypatch.setattr(reviewing, "MOST_PRINCIPALS", looked_at)
    deployment.role("runner", [RUN, "agents:web:run", "teams:run"])
    deployment.client("idle")
    for name in ("alice", "bob", "carol"):
        deployment.user(name, ["runner"] if name != "bob" else [], id=name)
    with deployment.services.administration.reading() as work:
        found, place = [], None
        while True:
            part = access_review_part(work, deployment.clock(), place, most)
            assert len(part.rows) <= most
            found += part.rows
            if (place := part.next) is None:
                break
        assert found == list(access_review(work, deployment.clock()))
    assert [each.principal.id for each in found] == ["ci"] * 2 + ["alice"] * 3 + ["carol"] * 3


def test_a_part_does_not_split_the_rows_of_one_user(deployment: Deployment, ci: str):
    deployment.role("runner", [RUN, "teams:run"])
    deployment.user("alice", ["runner"], id="alice")
    with deployment.services.administration.reading() as work:
        part = access_review_part(work, deployment.clock(), None, 3)
    assert [each.principal.id for each in part.rows] == ["ci", "ci"]
    assert part.next == AccessReviewPlace("user", "alice", 0)


def test_a_part_after_a_client_that_was_deleted_begins_with_the_next_one(
    deployment: Deployment, ci: str
):
    deployment.client("b", scopes=[RUN])
    deployment.client("d", scopes=[RUN])
    with deployment.services.administration.reading() as work:
        part = access_review_part(work, deployment.clock(), AccessReviewPlace("client", "c", 1), 9)
    assert [each.principal.id for each in part.rows] == ["ci", "ci", "d"]


def test_the_name_of_a_group_cannot_reorder_the_words_beside_it(deployment: Deployment):
    """With a control of the bidirectional algorithm, Unicode TR36 §2.1."""
    deployment.role("reader", [SESSIONS])
    deployment.group("\u202eteam", [deployment.user("alice")], roles=["reader"])
    with deployment.services.administration.reading() as work:
        (row,) = access_review(work, deployment.clock())
    assert row.through == "the role reader everywhere through the group \\u202eteam"


def test_a_review_needs_the_right_to_read_what_it_is_about(
    deployment: Deployment,
):
    administration = deployment.services.administration
    with (
        administration.reading(OPERATOR, ["issuer:clients:read"]) as work,
        pytest.raises(Forbidden),
    ):
        review(work, deployment.clock())
