"""Attempts counted in the database, on SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select

from issuer.audit import Actor, EventFilter
from issuer.database.tables import KnownAddressRow, SignInTriesRow
from issuer.errors import InvalidCredentials
from issuer.users.guard import AttemptGuard
from tests.builders import PASSWORD, Deployment
from tests.rows import rows

LOCK = timedelta(minutes=15)
HOME, ATTACKER = Actor("app", "r-1", "192.0.2.1"), Actor("app", "r-2", "198.51.100.66")
AT_ONCE = 12
MANY_FAILURES = {"sign_in_failures": "1000"}


@pytest.fixture
def guard(deployment: Deployment) -> AttemptGuard:
    return deployment.services.sign_in.guard


def signs_in(
    deployment: Deployment, caller: Actor, password: str = PASSWORD, name: str = "alice"
) -> str:
    """`done`, or the reason for the refusal, which only the audit log has."""
    try:
        deployment.services.sign_in.sign_in.authenticate(name, password, caller)
    except InvalidCredentials as error:
        return error.reason
    return "done"


def fail(guard: AttemptGuard, user_id: str | None, times: int, caller: Actor = ATTACKER) -> int:
    """Make `times` attempts with a wrong password; returns how many were checked."""
    attempts = [guard.begin(user_id, "name", caller.address) for _ in range(times)]
    for attempt in attempts:
        guard.end(attempt, caller, succeeded=False)
    return sum(attempt.is_admitted for attempt in attempts)


def succeed(guard: AttemptGuard, user_id: str, caller: Actor) -> None:
    attempt = guard.begin(user_id, "name", caller.address)
    assert attempt.is_admitted
    guard.end(attempt, caller, succeeded=True)


def stored(deployment: Deployment, table: type) -> int:
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


def test_a_locked_user_can_still_sign_in_from_a_known_address(deployment: Deployment):
    alice = deployment.user("alice")
    assert signs_in(deployment, HOME) == "done"
    fail(deployment.services.sign_in.guard, alice, 12)
    assert signs_in(deployment, ATTACKER) == "locked"
    assert signs_in(deployment, HOME) == "done"
    assert signs_in(deployment, Actor(address="::ffff:192.0.2.1")) == "done"


def test_attempts_from_a_known_address_are_limited_as_well(
    deployment: Deployment, guard: AttemptGuard
):
    alice = deployment.user("alice")
    succeed(guard, alice, HOME)
    assert fail(guard, alice, 15, HOME) == 10
    assert signs_in(deployment, HOME) == "locked"
    assert signs_in(deployment, ATTACKER) == "done"


def test_a_locked_user_is_unlocked_by_an_operator_or_a_new_password(
    deployment: Deployment, guard: AttemptGuard
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


def test_an_ipv6_network_counts_as_one_address(deployment: Deployment, guard: AttemptGuard):
    alice = deployment.user("alice")
    succeed(guard, alice, Actor(address="2001:db8:0:1::1"))
    fail(guard, alice, 12)
    assert signs_in(deployment, Actor(address="2001:db8:0:1:ffff::2")) == "done"
    assert signs_in(deployment, Actor(address="2001:db8:0:2::1")) == "locked"


def test_an_address_that_tries_many_names_is_locked_except_for_users_it_is_known_for(
    deployment: Deployment, guard: AttemptGuard
):
    alice, _ = deployment.user("alice"), deployment.user("bob")
    succeed(guard, alice, ATTACKER)
    tried = sum(fail(guard, f"usr_{number}", 1) for number in range(120))
    assert tried == 100
    assert signs_in(deployment, ATTACKER, name="bob") == "locked"
    assert signs_in(deployment, ATTACKER, name="alice") == "done"
    assert signs_in(deployment, HOME, name="bob") == "done"
    assert locks(deployment) == [(None, "address", ATTACKER.address)]


def test_a_lock_is_audited_once(deployment: Deployment, guard: AttemptGuard):
    alice = deployment.user("alice")
    succeed(guard, alice, HOME)
    fail(guard, alice, 30)
    assert locks(deployment) == [(alice, "user", ATTACKER.address)]
    fail(guard, alice, 30, HOME)
    deployment.wait(LOCK)
    fail(guard, alice, 30)
    assert [of for _, of, _ in locks(deployment)] == ["user", "user at a known address", "user"]


def test_a_success_counted_as_the_last_attempt_locks_nothing(
    deployment: Deployment, guard: AttemptGuard
):
    alice = deployment.user("alice")
    attempts = [guard.begin(alice, "alice", HOME.address) for _ in range(10)]
    for attempt in attempts:
        guard.end(attempt, HOME, succeeded=attempt is attempts[0])
    assert signs_in(deployment, Actor(address="203.0.113.9")) == "done"
    assert locks(deployment) == []


def test_an_attempt_without_an_outcome_stays_counted(deployment: Deployment, guard: AttemptGuard):
    alice = deployment.user("alice")
    for _ in range(10):
        guard.begin(alice, "alice", ATTACKER.address)
    assert signs_in(deployment, HOME) == "locked"


def test_parallel_attempts_are_limited_like_sequential_ones(
    deployment: Deployment, guard: AttemptGuard
):
    """Each from its own address, on all connections of the pool.

    The first all begin before one ends: sequentially, a pause would begin after three.
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


def test_parallel_attempts_at_many_users_from_few_addresses_do_not_deadlock(deployment: Deployment):
    guard = deployment.services.sign_in.guard
    users = [deployment.user(f"user-{number}", password=None) for number in range(4)]

    def attempt(number: int) -> bool:
        begun = guard.begin(users[number % 4], "name", f"192.0.2.{number % 3}")
        guard.end(begun, ATTACKER, succeeded=number % 5 == 0)
        return begun.is_admitted

    with ThreadPoolExecutor(12) as pool:
        assert any(pool.map(attempt, range(60)))


def test_unknown_names_are_locked_like_others_and_never_stored(
    deployment: Deployment, guard: AttemptGuard
):
    assert fail(guard, None, 12) == 10
    assert locks(deployment) == [(None, "user", ATTACKER.address)]
    with deployment.services.database.reading() as session:
        marks = session.scalars(select(SignInTriesRow.mark)).all()
    assert sorted(map(len, marks)) == [2, 16]


def test_a_flood_of_names_fills_a_bounded_number_of_rows(
    deployment: Deployment, guard: AttemptGuard
):
    """At most 65,536 for unknown names; forgotten counts are deleted."""
    for number in range(30):
        guard.begin(None, f"name-{number}" + "x" * 10_000, ATTACKER.address)
    assert 20 <= stored(deployment, SignInTriesRow) <= 31
    deployment.wait(timedelta(hours=4))
    guard.clear_up()
    assert stored(deployment, SignInTriesRow) == 0


def test_a_count_that_still_locks_is_not_deleted(deployment: Deployment, guard: AttemptGuard):
    alice = deployment.user("alice")
    fail(guard, alice, 10)
    deployment.wait(LOCK - timedelta(seconds=1))
    guard.clear_up()
    assert signs_in(deployment, HOME) == "locked"


@pytest.mark.parametrize("more_settings", [MANY_FAILURES])
def test_of_many_known_addresses_the_oldest_is_forgotten(
    deployment: Deployment, guard: AttemptGuard
):
    alice = deployment.user("alice")
    for number in range(25):
        deployment.wait(timedelta(seconds=1))
        succeed(guard, alice, Actor(address=f"192.0.2.{number}"))
    assert stored(deployment, KnownAddressRow) == 20
    known = [guard.begin(alice, "alice", f"192.0.2.{n}").is_from_known_address for n in range(25)]
    assert known == [False] * 5 + [True] * 20


def test_an_address_is_known_for_ninety_days_after_the_last_success(
    deployment: Deployment, guard: AttemptGuard
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
    assert stored(deployment, KnownAddressRow) == 0


@pytest.mark.parametrize("again", ["the same id", "no user"])
def test_a_deleted_user_leaves_no_known_address(
    deployment: Deployment, guard: AttemptGuard, again: str
):
    deployment.user("alice", id="alice")
    succeed(guard, "alice", HOME)
    in_progress = guard.begin("alice", "alice", ATTACKER.address)
    with deployment.changing() as work:
        work.users.delete("alice")
    if again == "the same id":
        deployment.user("alice", id="alice")
    assert not guard.begin("alice", "alice", HOME.address).is_from_known_address
    guard.end(in_progress, ATTACKER, succeeded=True)


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


@rows("username", ["\ud800", "a\0b", "", "x" * 16_000, "\u0130" * 500])
def test_any_text_sent_as_a_name_is_an_unknown_user(deployment: Deployment, username: str):
    assert signs_in(deployment, ATTACKER, name=username) == "unknown user"


def test_counting_attempts_does_not_invalidate_the_directory(
    deployment: Deployment, guard: AttemptGuard
):
    """Otherwise each sign-in would empty every process's cache."""
    alice = deployment.user("alice")
    before = deployment.services.database.counts().changes
    succeed(guard, alice, HOME)
    fail(guard, alice, 12)
    assert deployment.services.database.counts().changes == before
