"""Password guessing at the token endpoint. The rules are tested in tests/users/test_guard.py."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from issuer.audit import Actor, AuditEvent, EventFilter
from tests.builders import URL, Credentials, Deployment
from tests.drivers import TokenDriver

LOCK = timedelta(minutes=15)
WRONG = {"error": "invalid_grant", "error_description": "Wrong username or password."}
HOME, ATTACKER = "192.0.2.1", "198.51.100.66"


@pytest.fixture
def app(deployment: Deployment) -> Credentials:
    deployment.user("alice", id="alice")
    return deployment.client("app", grant_types=["password"])


def at(deployment: Deployment, address: str) -> TokenDriver:
    """The token endpoint, called from an address, in the event loop of the server."""
    assert isinstance(deployment.http, TestClient)
    caller = TestClient(deployment.http.app, base_url=URL, client=(address, 50_000))
    caller.portal = deployment.http.portal
    return TokenDriver(caller)


def refusals(deployment: Deployment) -> list[AuditEvent]:
    with deployment.services.administration.reading() as work:
        found = work.audit_log.page(EventFilter(action="token.refused"), None, 100)
    return found[::-1]


def lock_out(deployment: Deployment, app: Credentials) -> None:
    for _ in range(10):
        at(deployment, ATTACKER).password(app, "alice", "a guess")
        deployment.wait(timedelta(minutes=1))


def test_ten_wrong_passwords_lock_the_user_and_the_response_does_not_show_it(
    deployment: Deployment, app: Credentials
):
    lock_out(deployment, app)
    answer = at(deployment, HOME).password(app, "alice")
    assert (answer.status, answer.body) == (400, WRONG)
    wrong, locked = refusals(deployment)[0], refusals(deployment)[-1]
    assert [wrong.reason, locked.reason] == ["wrong password", "locked"]
    assert [wrong.target, locked.target] == ["alice", "alice"]
    deployment.wait(LOCK)
    assert at(deployment, HOME).password(app, "alice").status == 200


def test_a_locked_user_can_sign_in_from_a_known_address(deployment: Deployment, app: Credentials):
    assert at(deployment, HOME).password(app, "alice").status == 200
    lock_out(deployment, app)
    assert at(deployment, ATTACKER).password(app, "alice").error == "invalid_grant"
    assert at(deployment, HOME).password(app, "alice").status == 200


def test_a_lock_is_audited_once_with_user_client_and_address(
    deployment: Deployment, app: Credentials
):
    lock_out(deployment, app)
    lock_out(deployment, app)
    with deployment.services.administration.reading() as work:
        (event,) = work.audit_log.page(EventFilter(action="sign_in.locked"), None, 100)
    assert (event.target, event.actor, event.address) == ("alice", "app", ATTACKER)
    assert event.request_id
    assert event.details == {"of": "user"}


def test_unknown_usernames_get_the_same_responses(deployment: Deployment, app: Credentials):
    for _ in range(12):
        answer = at(deployment, ATTACKER).password(app, "unknown")
        assert (answer.status, answer.body) == (400, WRONG)
        deployment.wait(timedelta(minutes=1))
    assert [event.reason for event in refusals(deployment)] == ["unknown user"] * 10 + [
        "locked"
    ] * 2


@pytest.mark.parametrize("more_settings", [{"sign_in_failures": "2", "sign_in_lock": "1h"}])
def test_failures_and_duration_of_a_lock_are_settings(deployment: Deployment, app: Credentials):
    for _ in range(2):
        deployment.wait(timedelta(seconds=1))
        at(deployment, ATTACKER).password(app, "alice", "a guess")
    deployment.wait(timedelta(minutes=59))
    assert at(deployment, HOME).password(app, "alice").error == "invalid_grant"
    deployment.wait(timedelta(minutes=1))
    assert at(deployment, HOME).password(app, "alice").status == 200


@pytest.mark.parametrize("more_settings", [{"sign_in_failures": "1", "sign_in_lock": "1h"}])
def test_wrong_passwords_through_an_application_lock_out_none_of_its_other_users(
    deployment: Deployment, app: Credentials
):
    """All share its address; these failures would exceed the limit without a client."""
    for number in range(15):
        assert at(deployment, HOME).password(app, f"unknown-{number}").status == 400
    assert at(deployment, HOME).password(app, "alice").status == 200


@pytest.mark.parametrize("more_settings", [{"password_workers": "6", "sign_in_failures": "2"}])
def test_concurrent_first_sign_ins_all_succeed(deployment: Deployment, app: Credentials):
    """Attempts in progress are not failures: the others wait for their results."""
    endpoint = at(deployment, HOME)
    # While one waits, the others continue, about as long as hashing a password takes.
    deployment.clock.while_asleep = lambda: deployment.services.sign_in.passwords.matches(
        "a password", None
    )
    with ThreadPoolExecutor(6) as threads:
        answers = threads.map(lambda _: endpoint.password(app, "alice").status, range(6))
    assert list(answers) == [200] * 6


@pytest.mark.parametrize(
    ("succeeded", "status"), [(True, 200), (False, 400)], ids=["were right", "were wrong"]
)
def test_a_sign_in_waits_for_attempts_in_progress_in_other_processes(
    deployment: Deployment, app: Credentials, succeeded: bool, status: int
):
    guard = deployment.services.sign_in.guard
    others = [guard.begin("alice", "alice", HOME) for _ in range(10)]

    def end_all() -> None:
        while others:
            guard.end(others.pop(), Actor(), succeeded=succeeded)

    deployment.clock.while_asleep = end_all
    assert at(deployment, HOME).password(app, "alice").status == status
    assert not others


@pytest.mark.parametrize("name", ["alice", "unknown"])
def test_attempts_of_a_crashed_process_count_as_failed_after_a_few_seconds(
    deployment: Deployment, app: Credentials, name: str
):
    user_id = "alice" if name == "alice" else None
    for _ in range(10):
        deployment.services.sign_in.guard.begin(user_id, name, ATTACKER)
    before = deployment.clock()
    assert at(deployment, HOME).password(app, name).error == "invalid_grant"
    assert timedelta(seconds=2) < deployment.clock() - before < timedelta(seconds=5)
    assert refusals(deployment)[0].reason == "locked"


def test_an_unauthenticated_client_cannot_lock_a_user(deployment: Deployment, app: Credentials):
    """Passwords are checked only for authenticated clients with the grant."""
    for _ in range(12):
        answer = at(deployment, ATTACKER).password(Credentials("app", "wrong"), "alice")
        assert answer.error == "invalid_client"
    assert at(deployment, HOME).password(app, "alice").status == 200
