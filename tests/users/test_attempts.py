"""The policy against guessing, on a virtual clock."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.users.attempts import DAY, Counted, Policy, Tries
from tests.users.guessing import START, Door, max_in_a_day

LOCK = timedelta(minutes=15)
A_DAY = 100  # wrong passwords of a user, at the defaults: README
OF_AN_ADDRESS = 1000
HOME = "192.0.2.1"


@pytest.fixture
def api_router() -> Door:
    return Door(Policy(failures=10, lock=LOCK))


def guess(api_router: Door, times: int, address: str = "attacker") -> None:
    """Wrong passwords, each as soon as it may be tried."""
    for _ in range(times):
        api_router.wait_until_admitted(address)
        api_router.attempt(address, right=False)


@pytest.mark.slow
@pytest.mark.parametrize("mobile", [False, True], ids=["at home", "at new addresses as well"])
def test_of_a_million_guesses_in_three_days_a_hundred_a_day_are_tried(
    api_router: Door, mobile: bool
):
    """From many addresses; and the true user gets in at home each time meanwhile.

    Signing in at ever new addresses makes no room for guesses either.
    """
    random = Random(6)
    api_router.known.add(HOME)
    signed_in = 0
    for number in range(1_000_000):
        api_router.wait(timedelta(seconds=random.expovariate(1 / 0.26)))
        api_router.attempt(f"attacker-{random.randrange(5_000)}", right=False)
        if number % 4_000 == 0:
            mistypes(api_router, random.randrange(2))
            assert api_router.attempt(HOME, right=True)
            signed_in += 1
        if mobile and number % 500 == 0:
            api_router.attempt(f"train-{number}", right=True)
    assert signed_in == 250
    assert api_router.now - START > timedelta(days=2.9)
    assert 0.4 * A_DAY < max_in_a_day(api_router.tried_at) <= A_DAY


def mistypes(api_router: Door, times: int) -> None:
    for _ in range(times):
        api_router.attempt(HOME, right=False)


@pytest.mark.parametrize("through_client", [False, True], ids=["directly", "through a client"])
@pytest.mark.parametrize("failures", [1, 2, 10, 1000])
def test_a_day_has_ten_times_the_failures_of_a_round(failures: int, through_client: bool):
    api_router = Door(Policy(failures, timedelta(seconds=1)), through_client=through_client)
    number = 0
    while api_router.now < START + 2 * DAY:
        api_router.wait_until_admitted(f"attacker-{number}")
        api_router.attempt(f"attacker-{number}", right=False)
        number += 1
    assert max_in_a_day(api_router.tried_at) <= 10 * failures
    assert api_router.policy.limits[Counted.USER].max_in_a_day == 10 * failures


def test_an_address_that_tries_many_users_is_refused_for_a_while():
    """And only where it is unknown to the user."""
    policy = Policy(10, LOCK)
    limit = policy.limits[Counted.ADDRESS]
    tries = Tries()
    for _ in range(100):
        assert limit.refused_until(tries, START) <= START
        tries = limit.failed(limit.counted(tries, START))
    assert limit.refused_until(tries, START) == START + LOCK
    assert limit.max_in_a_day == OF_AN_ADDRESS


def test_an_account_of_ones_own_makes_no_room_at_an_address(api_router: Door):
    """Signing in to it over and over resets its own count, never that of the address."""
    for _ in range(200):
        standing = {Counted.ADDRESS: api_router.counts[Counted.ADDRESS, "attacker"]}
        if not api_router.policy.admits(standing, api_router.now):
            break
        failed = api_router.policy.failed(api_router.policy.counted(standing, api_router.now))
        succeeded = api_router.policy.succeeded(api_router.policy.counted(failed, api_router.now))
        api_router.counts[Counted.ADDRESS, "attacker"] = succeeded[Counted.ADDRESS]
    assert api_router.counts[Counted.ADDRESS, "attacker"].failed == 100


def test_the_pauses_between_tries_grow(api_router: Door):
    waits = []
    for _ in range(10):
        api_router.attempt("attacker", right=False)
        waits.append(api_router.wait_until_admitted("attacker").total_seconds())
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 60, 15 * 60]


def test_a_lock_ends_by_itself_and_refused_attempts_do_not_lengthen_it(api_router: Door):
    guess(api_router, 10)
    locked_at = api_router.now
    while api_router.now < locked_at + LOCK - timedelta(seconds=1):
        assert not api_router.attempt("another", right=True)
        api_router.wait(timedelta(seconds=1))
    api_router.wait(timedelta(seconds=1))
    assert api_router.attempt("another", right=True)


def test_a_success_begins_a_new_round(api_router: Door):
    for _ in range(3):
        guess(api_router, 9)
        api_router.wait_until_admitted("attacker")
        assert api_router.attempt("train", right=True)
        api_router.known.clear()


def test_what_a_crash_cut_off_counts_as_a_failure():
    limit = Policy(10, LOCK).limits[Counted.USER]
    tries = Tries()
    for _ in range(10):
        assert not limit.is_locked(tries, START)
        tries = limit.counted(tries, START)
    assert limit.is_locked(tries, START)


def test_tries_at_the_same_time_are_no_more_than_tries_one_by_one():
    """Ten under way: the eleventh is refused, and each that succeeds makes room again."""
    policy = Policy(10, LOCK)
    standing = {Counted.USER: Tries()}
    for _ in range(10):
        assert policy.admits(standing, START)
        standing = policy.counted(standing, START)
    assert not policy.admits(standing, START)
    assert policy.admits(policy.succeeded(standing), START)


def test_attempts_under_way_are_waited_for_and_those_of_a_crash_are_failures():
    policy = Policy(10, LOCK)
    standing = {Counted.USER: Tries(), Counted.ADDRESS: Tries()}
    for _ in range(10):
        assert not policy.waits(standing, START)
        standing = policy.counted(standing, START)
    assert policy.waits(standing, START)
    assert not policy.waits(standing, START + timedelta(minutes=1))
    for _ in range(3):
        standing = policy.failed(standing)
    assert not policy.waits(standing, START)


def test_a_try_that_the_clock_of_another_process_puts_later_refuses_nobody():
    policy = Policy(10, LOCK)
    standing = policy.counted({Counted.USER: Tries()}, START + timedelta(milliseconds=5))
    assert policy.admits(standing, START)


def test_a_forgotten_count_is_as_good_as_none(api_router: Door):
    limit = api_router.policy.limits[Counted.USER]
    guess(api_router, 1)
    tries = api_router.counts[Counted.USER, "alice"]
    assert not limit.is_forgotten(tries, api_router.now)
    api_router.wait(timedelta(minutes=30))
    assert limit.is_forgotten(tries, api_router.now)
    assert limit.counted(tries, api_router.now) == limit.counted(Tries(), api_router.now)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.booleans(),
        st.one_of(st.just(0), st.integers(0, 120), st.integers(0, 100_000)),
    ),
    max_size=300,
)
POLICIES = st.builds(
    Policy, st.integers(1, 12), st.integers(1, 7200).map(lambda s: timedelta(seconds=s))
)


@given(POLICIES, EVENTS)
@settings(max_examples=200, deadline=None)
def test_a_refused_attempt_changes_nothing_and_every_refusal_ends(
    policy: Policy, events: list[tuple[str, bool, int]]
):
    api_router = Door(policy)
    for address, right, seconds in events:
        api_router.wait(timedelta(seconds=seconds))
        before, tried = dict(api_router.counts), len(api_router.tried_at)
        got_in = api_router.attempt(address, right=right)
        if not got_in and len(api_router.tried_at) == tried and address not in api_router.known:
            assert {key: api_router.counts[key] for key in before} == before
    assert max_in_a_day(api_router.tried_at) <= 10 * policy.limits[Counted.USER].most
    longest = max(policy.lock, DAY / (5 * policy.limits[Counted.USER].most))
    assert api_router.wait_until_admitted("d") <= longest
    assert api_router.attempt("d", right=True)


@given(POLICIES, EVENTS, st.lists(st.booleans(), max_size=30))
@settings(max_examples=200, deadline=None)
def test_what_others_do_never_shuts_out_a_known_address(
    policy: Policy, events: list[tuple[str, bool, int]], own: list[bool]
):
    """It fares just as if nobody else had ever tried."""
    beset, alone = Door(policy, known={HOME}), Door(policy, known={HOME})
    mine = iter(own)
    for address, right, seconds in events:
        for api_router in (beset, alone):
            api_router.wait(timedelta(seconds=seconds))
        beset.attempt(address, right=right)
        right_this_time = next(mine, True)
        assert beset.attempt(HOME, right=right_this_time) == alone.attempt(
            HOME, right=right_this_time
        )
