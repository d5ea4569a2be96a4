"""A list of agents says of none that it was needed; what was used by its id is never taken."""

from hypothesis import given
from hypothesis import strategies as st

from issuer.review.evidence import FindingKind
from issuer.review.exchanges import smallest, without_lists
from issuer.review.store import UsedScope
from issuer.scopes import covers
from tests.builders import Deployment
from tests.review.test_review import days, found, proposed

IDS = ("web", "billing", "hr")
READ, RUN = [f"agents:{id_}:read" for id_ in IDS], [f"agents:{id_}:run" for id_ in IDS]
LIST = "agents:read"
HELD = st.sets(st.sampled_from([*READ, *RUN, LIST, "agents:*:read", "sessions:read"]))
USED = st.sets(st.sampled_from([*READ, *RUN, LIST, "sessions:read"]))


@given(HELD, USED)
def test_a_proposal_keeps_lists_and_whatever_was_used_by_its_id(held: set[str], used: set[str]):
    """agno answers a list with 200 if any agent may be read, or all."""
    asked = {each for each in used if covers(held, each) or (each == LIST and {*READ} & held)}
    counted = [UsedScope("my-os", each, 1, 0, 1, None, None) for each in asked]
    enough = smallest(held, (each.scope for each in without_lists(held, counted)))
    assert all(covers(enough, each) for each in asked - {LIST})
    if LIST in asked:
        assert any(covers(enough, each) for each in READ)
        assert covers(enough, LIST) == covers(held, LIST)
        listed = {each for each in READ if each in held and each.replace("read", "run") in asked}
        assert all(covers(enough, each) for each in listed)
    assert all(covers(held, each) for each in enough)


def test_reading_one_agent_and_a_list_uses_no_other(deployment: Deployment):
    deployment.client("ci", scopes=[*READ, "agents:hr:run"])
    days(deployment, 31, LIST, "agents:web:read", "agents:hr:run")
    assert found(deployment, FindingKind.UNUSED) == {"agents:billing:read"}
    enough = {"agents:web:read", "agents:hr:read", "agents:hr:run"}  # hr was seen in the list
    assert proposed(deployment, "ci").after == {"my-os": enough}


def test_a_list_alone_uses_all_that_it_shows(deployment: Deployment):
    deployment.client("ci", scopes=READ)
    days(deployment, 31, LIST)
    assert found(deployment, FindingKind.UNUSED) == set()
    assert proposed(deployment, "ci").after == {"my-os": {*READ}}


def test_whoever_may_read_every_agent_keeps_the_whole_list(deployment: Deployment):
    deployment.client("ci", scopes=[LIST])
    days(deployment, 31, LIST, "agents:web:read")
    assert proposed(deployment, "ci").after == {"my-os": {LIST}}


def test_more_ids_than_are_counted_are_no_list(deployment: Deployment):
    deployment.client("ci", scopes=READ)
    days(deployment, 31, "agents:*:read", "agents:web:read")
    assert found(deployment, FindingKind.UNUSED) == set()
