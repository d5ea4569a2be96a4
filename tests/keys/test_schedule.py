"""Which key signs when, over years of virtual time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.keys import KeyPolicy, SigningKey
from issuer.keys.schedule import (
    KeyState,
    RotationPlan,
    active,
    destroys_at,
    plan_rotation,
    publishable,
    retires_at,
    state_at,
)
from issuer.vocabulary import (
    MAX_CLOCK_SKEW,
    MAX_TOKEN,
    SEEN_WITHIN,
    VERIFIERS_BEHIND,
    SigningAlgorithm,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
ALG = SigningAlgorithm.RS256
POLICY = KeyPolicy(sign_for=timedelta(days=30), announce_for=timedelta(hours=24))
ANNOUNCED = POLICY.announce_for + timedelta(seconds=61)  # with the difference of clocks


def carried_out(keys: list[SigningKey], plan: RotationPlan, now: datetime) -> list[SigningKey]:
    """What a rotator does, without a database."""
    kept = [replace(key, destroyed_at=now) if key.kid in plan.destroy else key for key in keys]
    made = [new.as_key(f"key-{len(keys) + number}", {}) for number, new in enumerate(plan.create)]
    return kept + made


def in_order(keys: list[SigningKey], now: datetime, policy: KeyPolicy = POLICY) -> list[SigningKey]:
    while plan := plan_rotation(keys, now, policy, [ALG]):
        keys = carried_out(keys, plan, now)
    return keys


def test_an_issuer_without_keys_gets_an_active_key_and_a_next_key():
    first, next_key = in_order([], START)
    assert (first.activates_at, next_key.activates_at) == (START, START + timedelta(days=30))
    assert (first.announced_at, next_key.announced_at) == (START, START)


def test_nothing_is_planned_while_rotation_is_not_due():
    keys = in_order([], START)
    assert not plan_rotation(keys, START, POLICY, [ALG])
    assert not plan_rotation(keys, START + timedelta(days=29), POLICY, [ALG])


def test_a_next_key_created_late_is_still_announced_long_enough():
    """No process ran for a year: the next key may not sign as soon as it exists."""
    late = START + timedelta(days=365)
    *_, next_key = in_order(in_order([], START), late)
    assert next_key.announced_at == late
    assert next_key.activates_at == next_key.ready_at == late + ANNOUNCED


def test_a_key_goes_through_its_states_in_order():
    keys = in_order([], START)
    next_key = keys[1]
    taken_over = next_key.activates_at
    assert state_at(keys, next_key, taken_over - timedelta(seconds=1)) is KeyState.ANNOUNCED
    assert state_at(keys, next_key, taken_over) is KeyState.ACTIVE
    assert state_at(keys, keys[0], taken_over) is KeyState.RETIRED
    assert retires_at(keys, keys[0]) == taken_over
    over = destroys_at(keys, keys[0])
    assert over is not None
    assert over >= taken_over + MAX_TOKEN
    keys = in_order(keys, over)
    assert state_at(keys, keys[0], over) is KeyState.DESTROYED


def test_a_retired_key_outlives_the_tokens_of_a_process_that_saw_its_successor_late():
    """Also if that process has a fast clock, and the verifier a slow one."""
    first, following = in_order([], START)
    rotated_at = following.ready_at
    keys = [first, replace(following, activates_at=rotated_at)]
    last_token = rotated_at + MAX_CLOCK_SKEW + SEEN_WITHIN
    over = destroys_at(keys, first)
    assert over is not None
    assert over >= last_token + MAX_TOKEN + VERIFIERS_BEHIND


def test_the_key_of_an_unused_algorithm_is_not_published():
    """Some verifiers fail on a set of mixed types."""
    keys = in_order([], START)
    assert publishable(keys, {"ES256"}) == []
    assert {key.kid for key in publishable(keys, {"RS256"})} == {key.kid for key in keys}


@settings(max_examples=300, deadline=None)
@given(
    looks=st.lists(st.integers(min_value=1, max_value=60 * 24 * 40), min_size=1, max_size=60),
    sign_for=st.integers(min_value=2, max_value=60),
    announce_for=st.integers(min_value=1, max_value=48),
)
def test_at_every_moment_one_key_signs_and_it_was_published_before(
    looks: list[int], sign_for: int, announce_for: int
):
    """The rotator runs at arbitrary times, minutes to weeks apart."""
    policy = KeyPolicy(timedelta(days=sign_for), timedelta(hours=announce_for))
    now = START
    keys = in_order([], now, policy)
    first = keys[0].kid
    for minutes in looks:
        now += timedelta(minutes=minutes)
        signing = active(keys, ALG, now)
        assert signing is not None
        assert sum(state_at(keys, key, now) is KeyState.ACTIVE for key in keys) == 1
        if signing.kid != first:
            assert signing.activates_at - signing.announced_at >= policy.announce_for
        keys = in_order(keys, now, policy)
        published = {key.kid for key in publishable(keys, {ALG})}
        for key in keys:
            retired = retires_at(keys, key)
            still_needed = retired is None or retired + MAX_TOKEN > now
            assert key.kid in published or not still_needed
        assert any(state_at(keys, key, now) is KeyState.ANNOUNCED for key in keys)
