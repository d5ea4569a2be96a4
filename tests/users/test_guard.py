"""Attempts counted in the database, on both."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select

from issuer.audit import Actor, EventFilter
from issuer.database.tables import KnownAddressRow, SignInTriesRow
from issuer.errors import InvalidCredentials
from issuer.users import Guard
from tests.builders import PASSWORD, Deployment

LOCK = timedelta(minutes=15)
HOME, ATTACKER = Actor("app", "r-1", "192.0.2.1"), Actor("app", "r-2", "198.51.100.66")
AT_ONCE = 12
CAREFREE = {"sign_in_failures": "1000"}


@pytest.fixture
def guard(deployment: Deployment) -> Guard:
    return deployment.services.sign_in.guard


def signs_in(
    deployment: Deployment, caller: Actor, password: str = PASSWORD, name: str = "alice"
) -> str:
    """`done`, or the reason why not, which only the record knows."""
    try:
        deployment.services.sign_in.sign_in.authenticate(name, password, caller)
    except InvalidCredentials as error:
        return error.reason
    return "done"


def fail(guard: Guard, user_id: str | None, times: int, caller: Actor = ATTACKER) -> int:
    """So many attempts with a wrong password; how many of them were tried."""
    attempts = [guard.begin(user_id, "name", caller.address) for _ in range(times)]
    for attempt in attempts:
        guard.end(attempt, caller, succeeded=False)
    return sum(attempt.is_admitted for attempt in attempts)


def succeed(guard: Guard, user_id: str, caller: Actor) -> None:
    attempt = guard.begin(user_id, "name", caller.address)
    assert attempt.is_admitted
    guard.end(attempt, caller, succeeded=True)


def rows(deployment: Deployment, table: type) -> int:
    with deployment.services.database.reading() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def locks(deployment: Deployment) -> list[tuple[str | None, str, str | None]]:
    with deployment.services.administration.reading() as work:
        found = work.audit_log.page(EventFilter(action="sign_in.locked"), None, 100)
    return [(event.target, event.details["of"], event.address) for event in found]


def test_a_locked_user_is_refused_with_the_right_password_until_the_lock_ends(
    deployment: Deployment,
):
    alice = deployment.user("alice")
    assert fail(deployment.services.sign_in.guard, alice, 12) == 10
    assert signs_in(deployment, HOME) == "locked"
    deployment.wait(LOCK - timedelta(seconds=1))
    assert signs_in(deployment, HOME) == "locked"
    deployment.wait(timedelta(seconds=1))
    assert signs_in(deployment, HOME) == "done"


def test_where_the_user_has_signed_in_before_the_way_in_stays(deployment: Deployment):
    alice = deployment.user("alice")
    assert signs_in(deployment, HOME) == "done"
    fail(deployment.services.sign_in.guard, alice, 12)
    assert signs_in(deployment, ATTACKER) == "locked"
    assert signs_in(deployment, HOME) == "done"
    assert signs_in(deployment, Actor(address="::ffff:192.0.2.1")) == "done"


def test_a_known_address_cannot_guess_without_bound_either(deployment: Deployment, guard: Guard):
    alice = deployment.user("alice")
    succeed(guard, alice, HOME)
    assert fail(guard, alice, 15, HOME) == 10
    assert signs_in(deployment, HOME) == "locked"
    assert signs_in(deployment, ATTACKER) == "done"


def test_a_user_known_nowhere_near_is_unlocked_by_an_operator_or_a_new_password(
    deployment: Deployment, guard: Guard
):
    alice = deployment.user("alice")
    succeed(guard, alice, HOME)

    def unlock() -> None:
        with deployment.changing() as work:
            work.users.unlock(alice)

    def new_password() -> None:
        prepared = deployment.services.sign_in.passwords.prepared(PASSWORD)
        with deployment.changing() as work:
            work.users.set_password(alice, prepared)

    for step in (unlock, new_password):
        fail(guard, alice, 12, HOME)
        fail(guard, alice, 12)
        assert {signs_in(deployment, HOME), signs_in(deployment, ATTACKER)} == {"locked"}
        step()
        assert signs_in(deployment, HOME) == "done"


def test_one_network_of_ipv6_is_one_address(deployment: Deployment, guard: Guard):
    alice = deployment.user("alice")
    succeed(guard, alice, Actor(address="2001:db8:0:1::1"))
    fail(guard, alice, 12)
    assert signs_in(deployment, Actor(address="2001:db8:0:1:ffff::2")) == "done"
    assert signs_in(deployment, Actor(address="2001:db8:0:2::1")) == "locked"


def test_an_address_that_tries_many_names_is_locked_for_all_that_do_not_know_it(
    deployment: Deployment, guard: Guard
):
    alice, _ = deployment.user("alice"), deployment.user("bob")
    succeed(guard, alice, ATTACKER)
    tried = sum(fail(guard, f"usr_{number}", 1) for number in range(120))
    assert tried == 100
    assert signs_in(deployment, ATTACKER, name="bob") == "locked"
    assert signs_in(deployment, ATTACKER, name="alice") == "done"
    assert signs_in(deployment, HOME, name="bob") == "done"
    assert locks(deployment) == [(None, "address", ATTACKER.address)]


def test_a_lock_is_on_record_once(deployment: Deployment, guard: Guard):
    alice = deployment.user("alice")
    succeed(guard, alice, HOME)
    fail(guard, alice, 30)
    assert locks(deployment) == [(alice, "user", ATTACKER.address)]
    fail(guard, alice, 30, HOME)
    deployment.wait(LOCK)
    fail(guard, alice, 30)
    assert [of for _, of, _ in locks(deployment)] == ["user", "user at a known address", "user"]


def test_a_success_that_was_counted_as_the_last_try_locks_nothing(
    deployment: Deployment, guard: Guard
):
    alice = deployment.user("alice")
    attempts = [guard.begin(alice, "alice", HOME.address) for _ in range(10)]
    for attempt in attempts:
        guard.end(attempt, HOME, succeeded=attempt is attempts[0])
    assert signs_in(deployment, Actor(address="203.0.113.9")) == "done"
    assert locks(deployment) == []


def test_an_attempt_that_a_crash_cut_off_stays_counted(deployment: Deployment, guard: Guard):
    alice = deployment.user("alice")
    for _ in range(10):
        guard.begin(alice, "alice", ATTACKER.address)
    assert signs_in(deployment, HOME) == "locked"


def test_parallel_attempts_are_no_more_than_attempts_one_by_one(
    deployment: Deployment, guard: Guard
):
    """From addresses of their own, on as many connections as there are.

    The first have all begun before one ends: one by one, a pause would begin after three.
    """
    alice = deployment.user("alice")
    all_have_begun = Barrier(AT_ONCE, timeout=30)

    def attempt(number: int) -> bool:
        begun = guard.begin(alice, "alice", f"192.0.2.{number}")
        if number < AT_ONCE:
            all_have_begun.wait()
        guard.end(begun, ATTACKER, succeeded=False)
        return begun.is_admitted

    with ThreadPoolExecutor(AT_ONCE) as pool:
        admitted = list(pool.map(attempt, range(60)))
    assert 4 <= sum(admitted) <= 10


def test_parallel_guesses_of_one_address_at_many_users_wait_in_no_circle(deployment: Deployment):
    guard = deployment.services.sign_in.guard
    users = [deployment.user(f"user-{number}", password=None) for number in range(4)]

    def attempt(number: int) -> bool:
        begun = guard.begin(users[number % 4], "name", f"192.0.2.{number % 3}")
        guard.end(begun, ATTACKER, succeeded=number % 5 == 0)
        return begun.is_admitted

    with ThreadPoolExecutor(12) as pool:
        assert any(pool.map(attempt, range(60)))


def test_names_nobody_has_are_locked_like_others_and_never_kept(
    deployment: Deployment, guard: Guard
):
    assert fail(guard, None, 12) == 10
    assert locks(deployment) == [(None, "user", ATTACKER.address)]
    with deployment.services.database.reading() as session:
        marks = session.scalars(select(SignInTriesRow.mark)).all()
    assert sorted(map(len, marks)) == [2, 16]


def test_a_flood_of_names_fills_a_bounded_number_of_rows(deployment: Deployment, guard: Guard):
    """65,536 for names, whatever is sent; and what has been forgotten is deleted."""
    for number in range(30):
        guard.begin(None, f"name-{number}" + "x" * 10_000, ATTACKER.address)
    assert 20 <= rows(deployment, SignInTriesRow) <= 31
    deployment.wait(timedelta(hours=4))
    guard.clear_up()
    assert rows(deployment, SignInTriesRow) == 0


def test_what_still_counts_is_not_cleared_up(deployment: Deployment, guard: Guard):
    alice = deployment.user("alice")
    fail(guard, alice, 10)
    deployment.wait(LOCK - timedelta(seconds=1))
    guard.clear_up()
    assert signs_in(deployment, HOME) == "locked"


@pytest.mark.parametrize("more_settings", [CAREFREE])
def test_of_many_known_addresses_the_oldest_is_forgotten(deployment: Deployment, guard: Guard):
    alice = deployment.user("alice")
    for number in range(25):
        deployment.wait(timedelta(seconds=1))
        succeed(guard, alice, Actor(address=f"192.0.2.{number}"))
    assert rows(deployment, KnownAddressRow) == 20
    known = [guard.begin(alice, "alice", f"192.0.2.{n}").is_from_known_address for n in range(25)]
    assert known == [False] * 5 + [True] * 20


def test_an_address_is_known_for_ninety_days_after_the_last_success(
    deployment: Deployment, guard: Guard
):
    alice = deployment.user("alice")
    for _ in range(2):
        succeed(guard, alice, HOME)
        deployment.wait(timedelta(days=89))
    guard.clear_up()
    assert guard.begin(alice, "alice", HOME.address).is_from_known_address
    deployment.wait(timedelta(days=1))
    assert not guard.begin(alice, "alice", HOME.address).is_from_known_address
    guard.clear_up()
    assert rows(deployment, KnownAddressRow) == 0


@pytest.mark.parametrize("again", ["the same id", "no user"])
def test_a_deleted_user_leaves_no_known_address(deployment: Deployment, guard: Guard, again: str):
    deployment.user("alice", id="alice")
    succeed(guard, "alice", HOME)
    under_way = guard.begin("alice", "alice", ATTACKER.address)
    with deployment.changing() as work:
        work.users.delete("alice")
    if again == "the same id":
        deployment.user("alice", id="alice")
    assert not guard.begin("alice", "alice", HOME.address).is_from_known_address
    guard.end(under_way, ATTACKER, succeeded=True)


@pytest.mark.parametrize("wrong", ["unknown", "disabled", "without a password"])
def test_every_kind_of_failure_counts(deployment: Deployment, wrong: str):
    if wrong != "unknown":
        deployment.user("alice", password=None if wrong == "without a password" else PASSWORD)
    if wrong == "disabled":
        with deployment.changing() as work:
            work.users.update(work.users.get_by_username("alice").id, {"disabled": True})
    reasons = []
    for _ in range(12):
        reasons.append(signs_in(deployment, ATTACKER))
        deployment.wait(timedelta(minutes=1))
    assert "locked" not in reasons[:10]
    assert reasons[10:] == ["locked"] * 2


@pytest.mark.parametrize("username", ["\ud800", "a\0b", "", "x" * 16_000, "\u0130" * 500])
def test_any_text_may_be_sent_as_a_name(deployment: Deployment, username: str):
    assert signs_in(deployment, ATTACKER, name=username) == "unknown user"


def test_counting_forgets_nothing_the_directory_knows(deployment: Deployment, guard: Guard):
    """Or each sign-in would empty every process's memory."""
    alice = deployment.user("alice")
    before = deployment.services.database.counts().changes
    succeed(guard, alice, HOME)
    fail(guard, alice, 12)
    assert deployment.services.database.counts().changes == before
