"""The smallest scopes cover what was used and exceed nothing that was held."""

from hypothesis import given
from hypothesis import strategies as st

from issuer.review.exchanges import smallest
from issuer.scopes import covers
from tests.rows import rows

IDS = st.sampled_from(["", "*:", "web:", "billing:"])
RESOURCES = st.sampled_from(["agents", "teams", "sessions", "config", "system"])
ACTIONS = st.sampled_from(["run", "read", "write"])
SCOPES = st.builds("{0}:{1}{2}".format, RESOURCES, IDS, ACTIONS) | st.just("agent_os:admin")
SETS = st.frozensets(SCOPES, max_size=6)


@given(SETS, SETS, SCOPES)
def test_they_allow_what_was_both_held_and_used_and_nothing_else(
    held: frozenset[str], used: frozenset[str], asked: str
):
    """A right that was used is never taken away, and none is given that was not held."""
    is_enough = covers(smallest(held, used), asked)
    assert is_enough == (covers(held, asked) and covers(used, asked))


@given(SETS, SETS)
def test_no_scope_is_superfluous(held: frozenset[str], used: frozenset[str]):
    enough = smallest(held, used)
    assert not any(covers(enough - {scope}, scope) for scope in enough)


@rows(
    ("held", "used", "enough"),
    {
        "one agent": (["agents:run"], ["agents:web:run"], {"agents:web:run"}),
        "a list of what is held": (
            ["agents:web:read", "agents:run"],
            ["agents:read"],
            {"agents:web:read"},
        ),
        "an admin": (["agent_os:admin"], ["sessions:read"], {"sessions:read"}),
        "the wider of two uses": (
            ["agents:run"],
            ["agents:run", "agents:web:run"],
            {"agents:run"},
        ),
        "nothing": (["agents:run"], [], set()),
        "what is not held any more": (["agents:run"], ["teams:run"], set()),
    },
)
def test_examples(held: list[str], used: list[str], enough: set[str]):
    assert smallest(held, used) == enough
