"""Too many requests are 429 with `Retry-After` (CONTRACT §2, RFC 6585 §4)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from issuer.database.tables import AuditEventRow
from tests.builders import Credentials, Deployment, FakeClock
from tests.drivers import TokenAnswer, TokenEndpoint
from tests.oauth.refreshing import sign_in

BODY = {"error": "temporarily_unavailable", "error_description": "Too many requests."}
GRANT = {"grant_type": "client_credentials"}

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])
three_failures = pytest.mark.parametrize(
    "more_settings", [{"rate_limit_failures": "3/minute", "password_queue": "100"}]
)
three_requests = pytest.mark.parametrize(
    "more_settings", [{"rate_limit_requests": "3/minute", "rate_limit_failures": "off"}]
)
no_failure_limit = pytest.mark.parametrize("more_settings", [{"rate_limit_failures": "off"}])


def wrong(client: Credentials) -> Credentials:
    return Credentials(client.client_id, "wrong")


def fail(endpoint: TokenEndpoint, times: int = 3) -> None:
    for _ in range(times):
        assert endpoint.client_credentials(Credentials("nobody", "wrong")).status == 401


def at_once(ask: Callable[[], TokenAnswer], times: int) -> list[int]:
    with ThreadPoolExecutor(times) as threads:
        return sorted(answer.status for answer in threads.map(lambda _: ask(), range(times)))


@three_failures
def test_after_too_many_wrong_credentials_no_more_are_checked(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    """Nothing in the answer tells who exists, nor whether the credentials were right."""
    known, disabled = deployment.client(grant_types=["password"]), deployment.client(disabled=True)
    deployment.user("alice")
    assert token_endpoint.password(known, "alice").status == 200
    fail(token_endpoint)
    answers = [
        token_endpoint.client_credentials(Credentials("nobody", "wrong")),
        token_endpoint.client_credentials(wrong(known)),
        token_endpoint.client_credentials(disabled),
        token_endpoint.password(Credentials("nobody", "wrong"), "alice"),
        token_endpoint.password(known, "alice"),
        token_endpoint.password(known, "alice", "wrong"),
        token_endpoint.password(known, "nobody"),
    ]
    for answer in answers:
        assert (answer.status, answer.body) == (429, BODY)
        assert answer.response.headers["retry-after"] == "60"
        assert answer.response.headers["cache-control"] == "no-store"


@three_failures
def test_wrong_passwords_count_as_wrong_secrets_do(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    client = deployment.client(grant_types=["password"])
    deployment.user("alice")
    assert [token_endpoint.password(client, "alice", "wrong").status for _ in range(5)] == [
        *[400, 400, 400],
        *[429, 429],
    ]


@three_failures
def test_a_client_that_memory_confirms_goes_on(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    """It shares the address with a pod whose secret is old: neither is a guess of its own."""
    good, new = deployment.client(), deployment.client()
    assert token_endpoint.client_credentials(good).status == 200
    fail(token_endpoint)
    assert token_endpoint.client_credentials(good).status == 200
    assert token_endpoint.client_credentials(new).status == 429


@three_failures
def test_the_next_minute_begins_anew(
    deployment: Deployment, token_endpoint: TokenEndpoint, clock: FakeClock
):
    new = deployment.client()
    fail(token_endpoint)
    refused = token_endpoint.client_credentials(new)
    deployment.wait(timedelta(seconds=int(refused.response.headers["retry-after"])))
    assert token_endpoint.client_credentials(new).status == 200


@three_failures
def test_what_was_right_or_malformed_or_without_credentials_is_not_counted(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    client = deployment.client(grant_types=["password", "client_credentials"])
    deployment.user("alice")
    for _ in range(5):
        assert token_endpoint.password(client, "alice").status == 200
        assert token_endpoint.client_credentials(client, scope="not:held").status == 400
        assert token_endpoint.post(data=GRANT).status == 401
        assert token_endpoint.post(data={}).status == 400
    fail(token_endpoint)
    assert token_endpoint.client_credentials(wrong(client)).status == 429


@three_failures
def test_guesses_at_once_are_as_few_as_in_a_row(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    client = deployment.client(grant_types=["password"])
    deployment.user("alice")
    statuses = at_once(lambda: token_endpoint.password(client, "alice", "wrong"), 30)
    assert statuses == 3 * [400] + 27 * [429]


@three_failures
def test_people_who_sign_in_at_once_from_one_address_all_get_in(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    client = deployment.client(grant_types=["password"])
    deployment.user("alice")
    assert at_once(lambda: token_endpoint.password(client, "alice"), 10) == 10 * [200]


@no_failure_limit
def test_off_is_off(deployment: Deployment, token_endpoint: TokenEndpoint):
    fail(token_endpoint, times=70)


def test_sixty_a_minute_is_what_nobody_has_to_set(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    fail(token_endpoint, times=60)
    assert token_endpoint.client_credentials(Credentials("nobody", "wrong")).status == 429


@three_requests
def test_a_client_may_ask_so_often(
    deployment: Deployment, token_endpoint: TokenEndpoint, clock: FakeClock
):
    eager, other = deployment.client(), deployment.client()
    assert at_once(lambda: token_endpoint.client_credentials(eager), 20) == 3 * [200] + 17 * [429]
    refused = token_endpoint.client_credentials(eager)
    assert (refused.status, refused.body) == (429, BODY)
    assert refused.response.headers["retry-after"] == "60"
    assert token_endpoint.client_credentials(other).status == 200
    deployment.wait(timedelta(minutes=1))
    assert token_endpoint.client_credentials(eager).status == 200


@three_requests
def test_nobody_uses_up_the_requests_of_another(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    client = deployment.client()
    for _ in range(10):
        assert token_endpoint.client_credentials(wrong(client)).status == 401
    assert token_endpoint.client_credentials(client).status == 200


@three_requests
def test_every_kind_of_request_counts_and_none_is_hashed_beyond(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    client = deployment.client(grant_types=["password", "client_credentials"])
    deployment.user("alice")
    statuses = [
        token_endpoint.client_credentials(client).status,
        token_endpoint.client_credentials(client, scope="not:held").status,
        token_endpoint.password(client, "alice", "wrong").status,
        token_endpoint.password(client, "alice").status,
    ]
    assert statuses == [200, 400, 400, 429]


@three_failures
def test_refusals_of_a_limit_are_one_event_with_a_number(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    """Never a row a request; nor what was claimed, which differs each time."""
    fail(token_endpoint)
    for number in range(20):
        token_endpoint.client_credentials(Credentials(f"nobody-{number}", "wrong"))
    deployment.services.audit.refusals.write()
    with deployment.services.database.reading() as session:
        query = select(AuditEventRow).where(AuditEventRow.reason.contains("too many"))
        (event,) = session.scalars(query).all()
    assert (event.action, event.outcome, event.count) == ("token.refused", "refused", 20)
    assert (event.reason, event.target, event.actor) == (
        "too many wrong credentials from the address",
        None,
        None,
    )


def test_malformed_requests_leave_few_events_and_each_is_counted(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    """Five a second for 50 seconds, within one minute of the clock."""
    for number in range(250):
        assert token_endpoint.post(data={"grant_type": f"nonsense-{number}"}).status == 400
        deployment.wait(timedelta(seconds=0.2))
    deployment.services.audit.refusals.write()
    with deployment.services.database.reading() as session:
        query = select(AuditEventRow).where(AuditEventRow.action == "token.refused")
        events = session.scalars(query).all()
    assert sum(event.count for event in events) == 250
    assert len(events) == 61


@three_requests
def test_the_event_of_a_client_that_asks_too_often_names_it(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    client = deployment.client()
    for _ in range(7):
        token_endpoint.client_credentials(client)
    deployment.services.audit.refusals.write()
    with deployment.services.database.reading() as session:
        query = select(AuditEventRow).where(AuditEventRow.reason.contains("too many"))
        (event,) = session.scalars(query).all()
    assert (event.actor, event.count) == (client.client_id, 4)


@pytest.mark.parametrize(
    "more_settings", [{"rate_limit_failures": "3/minute", "metrics_token": "a-token-for-scrapers"}]
)
def test_they_have_a_number_of_their_own_in_the_metrics(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    fail(token_endpoint)
    assert token_endpoint.client_credentials(Credentials("nobody", "wrong")).status == 429
    answer = deployment.http.get(
        "/metrics", headers={"Authorization": "Bearer a-token-for-scrapers"}
    )
    assert (
        'issuer_token_requests_refused_total{error="too_many_requests"} 1.0'
        in answer.text.splitlines()
    )


@three_requests
def test_a_request_that_waits_for_the_next_second_is_one(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    """It is answered anew when the tokens of the client were just revoked."""
    client = deployment.client("ci-bot")
    with deployment.changing() as work:
        work.clients.revoke_tokens("ci-bot")
    statuses = [token_endpoint.client_credentials(client).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


@three_failures
def test_wrong_refresh_tokens_are_no_failures(
    deployment: Deployment, token_endpoint: TokenEndpoint
):
    """Nobody guesses 256 random bits, and who uses one too often is told so each time."""
    alice = sign_in(deployment, token_endpoint)
    alice.refresh()
    answers = [alice.refresh() for _ in range(5)]
    assert {answer.error for answer in answers} == {"invalid_grant"}
