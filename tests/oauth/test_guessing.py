"""Guessing at the token endpoint. tests/users/test_guard.py has the rules."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from issuer.audit import Actor, EventFilter, EventRecord
from tests.builders import URL, Credentials, House
from tests.drivers import TokenEndpoint

LOCK = timedelta(minutes=15)
WRONG = {"error": "invalid_grant", "error_description": "Wrong username or password."}
HOME, ATTACKER = "192.0.2.1", "198.51.100.66"


@pytest.fixture
def app(house: House) -> Credentials:
    house.user("alice", id="alice")
    return house.client("app", grant_types=["password"])


def at(house: House, address: str) -> TokenEndpoint:
    """The token endpoint, called from an address."""
    assert isinstance(house.http, TestClient)
    return TokenEndpoint(TestClient(house.http.app, base_url=URL, client=(address, 50_000)))


def refusals(house: House) -> list[EventRecord]:
    with house.services.administration.reading() as rooms:
        found = rooms.record.page(EventFilter(action="token.refused"), None, 100)
    return found[::-1]


def lock_out(house: House, app: Credentials) -> None:
    for _ in range(10):
        at(house, ATTACKER).password(app, "alice", "a guess")
        house.wait(timedelta(minutes=1))


def test_ten_wrong_passwords_lock_and_the_answer_does_not_tell(house: House, app: Credentials):
    lock_out(house, app)
    answer = at(house, HOME).password(app, "alice")
    assert (answer.status, answer.body) == (400, WRONG)
    wrong, locked = refusals(house)[0], refusals(house)[-1]
    assert [wrong.reason, locked.reason] == ["wrong password", "locked"]
    assert [wrong.target, locked.target] == ["alice", "alice"]
    house.wait(LOCK)
    assert at(house, HOME).password(app, "alice").status == 200


def test_who_has_signed_in_from_there_before_gets_in_meanwhile(house: House, app: Credentials):
    assert at(house, HOME).password(app, "alice").status == 200
    lock_out(house, app)
    assert at(house, ATTACKER).password(app, "alice").error == "invalid_grant"
    assert at(house, HOME).password(app, "alice").status == 200


def test_the_record_says_once_who_was_locked_and_because_of_whom(house: House, app: Credentials):
    lock_out(house, app)
    lock_out(house, app)
    with house.services.administration.reading() as rooms:
        (event,) = rooms.record.page(EventFilter(action="sign_in.locked"), None, 100)
    assert (event.target, event.actor, event.address) == ("alice", "app", ATTACKER)
    assert event.request_id
    assert event.details == {"of": "user"}


def test_names_that_nobody_has_get_the_same_answers(house: House, app: Credentials):
    for _ in range(12):
        answer = at(house, ATTACKER).password(app, "nobody")
        assert (answer.status, answer.body) == (400, WRONG)
        house.wait(timedelta(minutes=1))
    assert [event.reason for event in refusals(house)] == ["unknown user"] * 10 + ["locked"] * 2


@pytest.mark.parametrize("more_settings", [{"sign_in_failures": "2", "sign_in_lock": "1h"}])
def test_how_many_and_how_long_are_settings(house: House, app: Credentials):
    for _ in range(2):
        house.wait(timedelta(seconds=1))
        at(house, ATTACKER).password(app, "alice", "a guess")
    house.wait(timedelta(minutes=59))
    assert at(house, HOME).password(app, "alice").error == "invalid_grant"
    house.wait(timedelta(minutes=1))
    assert at(house, HOME).password(app, "alice").status == 200


@pytest.mark.parametrize("more_settings", [{"sign_in_failures": "1", "sign_in_lock": "1h"}])
def test_wrong_passwords_through_an_application_lock_out_none_of_its_other_users(
    house: House, app: Credentials
):
    """All have its address: ten times the failures of a user would be too many of an address."""
    for number in range(15):
        assert at(house, HOME).password(app, f"nobody-{number}").status == 400
    assert at(house, HOME).password(app, "alice").status == 200


@pytest.mark.parametrize("more_settings", [{"password_workers": "6", "sign_in_failures": "2"}])
def test_people_who_sign_in_for_the_first_time_at_once_all_get_in(house: House, app: Credentials):
    """Those under way are no failures: the others wait for how they end."""
    endpoint = at(house, HOME)
    # While one waits the others go on, about as long as a password takes.
    house.clock.while_asleep = lambda: house.services.sign_in.passwords.matches("a password", None)
    with ThreadPoolExecutor(6) as threads:
        answers = threads.map(lambda _: endpoint.password(app, "alice").status, range(6))
    assert list(answers) == [200] * 6


@pytest.mark.parametrize(
    ("succeeded", "status"), [(True, 200), (False, 400)], ids=["were right", "were wrong"]
)
def test_a_sign_in_waits_for_those_under_way_in_other_processes(
    house: House, app: Credentials, succeeded: bool, status: int
):
    guard = house.services.sign_in.guard
    others = [guard.begin("alice", "alice", HOME) for _ in range(10)]

    def end_all() -> None:
        while others:
            guard.end(others.pop(), Actor(), succeeded=succeeded)

    house.clock.while_asleep = end_all
    assert at(house, HOME).password(app, "alice").status == status
    assert not others


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_what_a_crash_cut_off_is_waited_for_a_few_seconds_and_then_counts_as_failed(
    house: House, app: Credentials, name: str
):
    user_id = "alice" if name == "alice" else None
    for _ in range(10):
        house.services.sign_in.guard.begin(user_id, name, ATTACKER)
    before = house.clock()
    assert at(house, HOME).password(app, name).error == "invalid_grant"
    assert timedelta(seconds=2) < house.clock() - before < timedelta(seconds=5)
    assert refusals(house)[0].reason == "locked"


def test_a_stranger_to_the_issuer_locks_nobody(house: House, app: Credentials):
    """Who is no client with the grant tries no password."""
    for _ in range(12):
        answer = at(house, ATTACKER).password(Credentials("app", "wrong"), "alice")
        assert answer.error == "invalid_client"
    assert at(house, HOME).password(app, "alice").status == 200
