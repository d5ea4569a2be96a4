"""The policy against guessing, on a virtual clock."""

from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.users.attempts import DAY, AttemptPolicy, Counted, Limit, Tries
from tests.rows import rows
from tests.users.guessing import START, SignInSimulation, max_in_a_day

LOCK = timedelta(minutes=15)
A_DAY = 100  # wrong passwords of a user, at the defaults: docs/reference/limits.md
OF_AN_ADDRESS = 1000
HOME = "192.0.2.1"


@pytest.fixture
def simulation() -> SignInSimulation:
    return SignInSimulation(AttemptPolicy(failures=10, lock=LOCK))


def guess(simulation: SignInSimulation, times: int, address: str = "attacker") -> None:
    """Try wrong passwords, each as soon as it is admitted."""
    for _ in range(times):
        simulation.wait_until_admitted(address)
        simulation.attempt(address, right=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "mobile", [False, True], ids=["at a known address", "at new addresses as well"]
)
def test_of_a_million_guesses_in_three_days_a_hundred_a_day_are_tried(
    simulation: SignInSimulation, mobile: bool
):
    """From many addresses; meanwhile the user signs in at a known address each time.

    The user's sign-ins at new addresses do not allow more guesses.
    """
    random = Random(6)
    simulation.known.add(HOME)
    signed_in = 0
    for number in range(1_000_000):
        simulation.wait(timedelta(seconds=random.expovariate(1 / 0.26)))
        simulation.attempt(f"attacker-{random.randrange(5_000)}", right=False)
        if number % 4_000 == 0:
            mistypes(simulation, random.randrange(2))
            assert simulation.attempt(HOME, right=True)
            signed_in += 1
        if mobile and number % 500 == 0:
            simulation.attempt(f"train-{number}", right=True)
    assert signed_in == 250
    assert simulation.now - START > timedelta(days=2.9)
    assert 0.4 * A_DAY < max_in_a_day(simulation.tried_at) <= A_DAY


def mistypes(simulation: SignInSimulation, times: int) -> None:
    for _ in range(times):
        simulation.attempt(HOME, right=False)


@rows(
    "through_client",
    {
        "directly": False,
        "through a client": True,
    },
)
@rows("failures", [1, 2, 10, 1000])
def test_a_day_has_ten_times_the_failures_of_a_round(failures: int, through_client: bool):
    simulation = SignInSimulation(
        AttemptPolicy(failures, timedelta(seconds=1)), through_client=through_client
    )
    number = 0
    while simulation.now < START + 2 * DAY:
        simulation.wait_until_admitted(f"attacker-{number}")
        simulation.attempt(f"attacker-{number}", right=False)
        number += 1
    assert max_in_a_day(simulation.tried_at) <= 10 * failures


def test_an_address_that_tries_many_users_is_refused_for_a_while():
    """Only where the address is unknown for the user."""
    policy = AttemptPolicy(10, LOCK)
    limit = policy.limits[Counted.ADDRESS]
    tries = Tries()
    for _ in range(100):
        assert limit.next_try_at(tries, START) <= START
        tries = limit.fail(limit.count(tries, START))
    assert limit.next_try_at(tries, START) == START + LOCK
    assert 10 * limit.most == OF_AN_ADDRESS


def test_signing_in_to_another_account_does_not_reset_the_count_of_the_address(
    simulation: SignInSimulation,
):
    """Repeated sign-ins reset the count of that account only."""
    for _ in range(200):
        counts = {Counted.ADDRESS: simulation.counts[Counted.ADDRESS, "attacker"]}
        if not simulation.policy.admits(counts, simulation.now):
            break
        failed = simulation.policy.fail(simulation.policy.count(counts, simulation.now))
        succeeded = simulation.policy.succeed(simulation.policy.count(failed, simulation.now))
        simulation.counts[Counted.ADDRESS, "attacker"] = succeeded[Counted.ADDRESS]
    assert simulation.counts[Counted.ADDRESS, "attacker"].failed == 100


def test_the_pauses_between_attempts_grow(simulation: SignInSimulation):
    waits = []
    for _ in range(10):
        simulation.attempt("attacker", right=False)
        waits.append(simulation.wait_until_admitted("attacker").total_seconds())
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 60, 15 * 60]


def test_a_lock_expires_and_refused_attempts_do_not_extend_it(simulation: SignInSimulation):
    guess(simulation, 10)
    locked_at = simulation.now
    while simulation.now < locked_at + LOCK - timedelta(seconds=1):
        assert not simulation.attempt("another", right=True)
        simulation.wait(timedelta(seconds=1))
    simulation.wait(timedelta(seconds=1))
    assert simulation.attempt("another", right=True)


def test_a_success_starts_a_new_round(simulation: SignInSimulation):
    for _ in range(3):
        guess(simulation, 9)
        simulation.wait_until_admitted("attacker")
        assert simulation.attempt("train", right=True)
        simulation.known.clear()


def test_an_attempt_without_an_outcome_counts_as_a_failure():
    limit = AttemptPolicy(10, LOCK).limits[Counted.USER]
    tries = Tries()
    for _ in range(10):
        assert not limit.is_locked(tries, START)
        tries = limit.count(tries, START)
    assert limit.is_locked(tries, START)


def test_concurrent_attempts_are_limited_like_sequential_ones():
    """With ten in progress the eleventh is refused; each success admits another."""
    policy = AttemptPolicy(10, LOCK)
    counts = {Counted.USER: Tries()}
    for _ in range(10):
        assert policy.admits(counts, START)
        counts = policy.count(counts, START)
    assert not policy.admits(counts, START)
    assert policy.admits(policy.succeed(counts), START)


def test_an_attempt_waits_for_those_in_progress_and_those_of_a_crash_are_failures():
    policy = AttemptPolicy(10, LOCK)
    counts = {Counted.USER: Tries(), Counted.ADDRESS: Tries()}
    for _ in range(10):
        assert not policy.waits(counts, START)
        counts = policy.count(counts, START)
    assert policy.waits(counts, START)
    assert not policy.waits(counts, START + timedelta(minutes=1))
    for _ in range(3):
        counts = policy.fail(counts)
    assert not policy.waits(counts, START)


def test_an_attempt_counted_by_a_process_whose_clock_is_ahead_delays_no_other():
    policy = AttemptPolicy(10, LOCK)
    counts = policy.count({Counted.USER: Tries()}, START + timedelta(milliseconds=5))
    assert policy.admits(counts, START)


def test_a_forgotten_count_is_equal_to_a_new_one(simulation: SignInSimulation):
    limit = simulation.policy.limits[Counted.USER]
    guess(simulation, 1)
    tries = simulation.counts[Counted.USER, "alice"]
    assert not is_forgotten(limit, tries, simulation.now)
    simulation.wait(timedelta(minutes=30))
    assert is_forgotten(limit, tries, simulation.now)
    assert limit.count(tries, simulation.now) == limit.count(Tries(), simulation.now)


def is_forgotten(limit: Limit, tries: Tries, now: datetime) -> bool:
    """Whether the count may be deleted."""
    return tries.spent_until <= now and tries.tried_at + limit.lock <= now


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.booleans(),
        st.one_of(st.just(0), st.integers(0, 120), st.integers(0, 100_000)),
    ),
    max_size=300,
)
POLICIES = st.builds(
    AttemptPolicy, st.integers(1, 12), st.integers(1, 7200).map(lambda s: timedelta(seconds=s))
)


@given(POLICIES, EVENTS)
@settings(max_examples=200, deadline=None)
def test_a_refused_attempt_changes_nothing_and_every_refusal_ends(
    policy: AttemptPolicy, events: list[tuple[str, bool, int]]
):
    simulation = SignInSimulation(policy)
    for address, right, seconds in events:
        simulation.wait(timedelta(seconds=seconds))
        before, tried = dict(simulation.counts), len(simulation.tried_at)
        got_in = simulation.attempt(address, right=right)
        if not got_in and len(simulation.tried_at) == tried and address not in simulation.known:
            assert {key: simulation.counts[key] for key in before} == before
    assert max_in_a_day(simulation.tried_at) <= 10 * policy.limits[Counted.USER].most
    longest = max(policy.lock, DAY / (5 * policy.limits[Counted.USER].most))
    assert simulation.wait_until_admitted("d") <= longest
    assert simulation.attempt("d", right=True)


@given(POLICIES, EVENTS, st.lists(st.booleans(), max_size=30))
@settings(max_examples=200, deadline=None)
def test_attempts_from_other_addresses_never_lock_out_a_known_address(
    policy: AttemptPolicy, events: list[tuple[str, bool, int]], own: list[bool]
):
    """Its outcomes are the same as without other attempts."""
    attacked, undisturbed = (
        SignInSimulation(policy, known={HOME}),
        SignInSimulation(policy, known={HOME}),
    )
    mine = iter(own)
    for address, right, seconds in events:
        for simulation in (attacked, undisturbed):
            simulation.wait(timedelta(seconds=seconds))
        attacked.attempt(address, right=right)
        right_this_time = next(mine, True)
        assert attacked.attempt(HOME, right=right_this_time) == undisturbed.attempt(
            HOME, right=right_this_time
        )
