"""The counts of keys, derived from dates, equal those of a permanent observer."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.errors import NotYet
from issuer.keys import SigningKey
from issuer.keys.described import come_into_each_state, in_each_state
from issuer.keys.schedule import KeyState, active, next_key, revoked, rotated, state_at
from tests.keys.test_schedule import ALG, START, in_order

ACTIONS = ["wait", "rotate", "revoke active", "revoke next", "revoke retired"]
NONE_OF_ANY = {(ALG, state): 0 for state in KeyState}


class Witness:
    """Observes and counts every state of each key."""

    def __init__(self) -> None:
        self.keys = in_order([], START)
        self.now = START
        self.counted: Counter[KeyState] = Counter()
        self._last: dict[str, KeyState] = {}
        self._look()

    def wait(self, duration: timedelta) -> None:
        """Time passes, which may change states; then the rotator runs."""
        self.now += duration
        self._look()
        self.keys = in_order(self.keys, self.now)
        self._look()

    def act(self, action: str) -> None:
        self.keys = changed(self.keys, action, self.now)
        self._look()
        self.keys = in_order(self.keys, self.now)
        self._look()

    def _look(self) -> None:
        for key in self.keys:
            if key.kid not in self._last:
                self.counted[KeyState.ANNOUNCED] += 1
            state = state_at(self.keys, key, self.now)
            if state is not self._last.get(key.kid, KeyState.ANNOUNCED):
                self.counted[state] += 1
            self._last[key.kid] = state


def changed(keys: list[SigningKey], action: str, now: datetime) -> list[SigningKey]:
    """The keys after the operator's `action`, if there is such a key."""
    signing, following = active(keys, ALG, now), next_key(keys, ALG, now)
    retired = [key for key in keys if state_at(keys, key, now) is KeyState.RETIRED]
    concerned = {
        "revoke active": signing,
        "revoke next": following,
        "revoke retired": next(iter(retired), None),
    }
    try:
        if action == "rotate":
            return replaced(keys, [rotated(keys, ALG, now)])
        key = concerned.get(action)
        return replaced(keys, revoked(keys, key, now)) if key else keys
    except NotYet:
        return keys


def replaced(keys: list[SigningKey], changes: list[SigningKey]) -> list[SigningKey]:
    by_kid = {key.kid: key for key in changes}
    return [by_kid.get(key.kid, key) for key in keys]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        # Never exactly `MAX_CLOCK_SKEW`: a revocation backdates the next key by that.
        st.tuples(st.integers(min_value=2, max_value=60 * 24 * 20), st.sampled_from(ACTIONS)),
        max_size=30,
    )
)
def test_the_dates_show_how_many_keys_entered_each_state(steps: list[tuple[int, str]]):
    witness = Witness()
    for minutes, action in steps:
        witness.wait(timedelta(minutes=minutes))
        assert come_into_each_state(witness.keys, witness.now) == witness.counted
        witness.act(action)
        assert come_into_each_state(witness.keys, witness.now) == witness.counted


def test_a_key_revoked_as_soon_as_another_took_over_has_retired():
    """No number goes down."""
    keys = in_order([], START)
    takes_over = keys[1].activates_at
    keys = in_order(keys, takes_over)
    before = come_into_each_state(keys, takes_over)
    keys = replaced(keys, revoked(keys, keys[0], takes_over + timedelta(seconds=59)))
    after = come_into_each_state(keys, takes_over + timedelta(seconds=59))
    assert after == before + Counter([KeyState.DESTROYED])


def test_every_state_of_an_algorithm_is_counted():
    keys = in_order([], START)
    assert in_each_state(keys, START) == {
        **NONE_OF_ANY,
        (ALG, KeyState.ACTIVE): 1,
        (ALG, KeyState.ANNOUNCED): 1,
    }
    gone = [replace(key, destroyed_at=START) for key in keys]
    assert in_each_state(gone, START) == {**NONE_OF_ANY, (ALG, KeyState.DESTROYED): 2}
