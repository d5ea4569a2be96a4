"""Too many requests are 429 with `Retry-After` (RFC 6585 §4)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from issuer.database.tables import AuditEventRow
from tests.builders import PASSWORD, Credentials, Deployment, FakeClock
from tests.drivers import TokenAnswer, TokenDriver
from tests.oauth.refreshing import sign_in
from tests.users.hashing import CountedHashes

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


def fail(endpoint: TokenDriver, times: int = 3) -> None:
    for _ in range(times):
        assert endpoint.client_credentials(Credentials("unknown", "wrong")).status == 401


def at_once(ask: Callable[[], TokenAnswer], times: int) -> list[int]:
    with ThreadPoolExecutor(times) as threads:
        return sorted(answer.status for answer in threads.map(lambda _: ask(), range(times)))


@three_failures
def test_after_too_many_wrong_credentials_no_more_are_checked(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """The response reveals neither whether a client exists nor whether the secret is right."""
    known, disabled = deployment.client(grant_types=["password"]), deployment.client(disabled=True)
    deployment.user("alice")
    assert token_endpoint.password(known, "alice").status == 200
    fail(token_endpoint)
    answers = [
        token_endpoint.client_credentials(Credentials("unknown", "wrong")),
        token_endpoint.client_credentials(wrong(known)),
        token_endpoint.client_credentials(disabled),
        token_endpoint.password(Credentials("unknown", "wrong"), "alice"),
        token_endpoint.password(known, "alice"),
        token_endpoint.password(known, "alice", "wrong"),
        token_endpoint.password(known, "unknown"),
    ]
    for answer in answers:
        assert (answer.status, answer.body) == (429, BODY)
        assert answer.response.headers["retry-after"] == "60"
        assert answer.response.headers["cache-control"] == "no-store"


@three_failures
def test_wrong_passwords_count_like_wrong_secrets(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client(grant_types=["password"])
    deployment.user("alice")
    assert [token_endpoint.password(client, "alice", "wrong").status for _ in range(5)] == [
        *[400, 400, 400],
        *[429, 429],
    ]


@three_failures
def test_a_client_authenticated_from_memory_is_exempt(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """It shares its address with a pod that uses an old secret."""
    good, new = deployment.client(), deployment.client()
    assert token_endpoint.client_credentials(good).status == 200
    fail(token_endpoint)
    assert token_endpoint.client_credentials(good).status == 200
    assert token_endpoint.client_credentials(new).status == 429


@three_failures
def test_the_limit_starts_again_in_the_next_minute(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    new = deployment.client()
    fail(token_endpoint)
    refused = token_endpoint.client_credentials(new)
    deployment.wait(timedelta(seconds=int(refused.response.headers["retry-after"])))
    assert token_endpoint.client_credentials(new).status == 200


@three_failures
def test_correct_malformed_and_missing_credentials_do_not_count(
    deployment: Deployment, token_endpoint: TokenDriver
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
def test_parallel_guesses_gain_nothing_over_sequential_ones(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client(grant_types=["password"])
    deployment.user("alice")
    statuses = at_once(lambda: token_endpoint.password(client, "alice", "wrong"), 30)
    assert statuses == 3 * [400] + 27 * [429]


@three_failures
def test_concurrent_sign_ins_from_one_address_all_succeed(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client(grant_types=["password"])
    deployment.user("alice")
    assert at_once(lambda: token_endpoint.password(client, "alice"), 10) == 10 * [200]


@no_failure_limit
def test_off_disables_the_limit(deployment: Deployment, token_endpoint: TokenDriver):
    fail(token_endpoint, times=70)


def test_the_default_limit_is_sixty_per_minute(deployment: Deployment, token_endpoint: TokenDriver):
    fail(token_endpoint, times=60)
    assert token_endpoint.client_credentials(Credentials("unknown", "wrong")).status == 429


@three_requests
def test_requests_of_a_client_beyond_its_limit_are_refused(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
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
def test_unauthenticated_requests_do_not_count_for_a_client(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client()
    for _ in range(10):
        assert token_endpoint.client_credentials(wrong(client)).status == 401
    assert token_endpoint.client_credentials(client).status == 200


@three_requests
def test_every_grant_counts_and_no_password_is_hashed_beyond_the_limit(
    deployment: Deployment, token_endpoint: TokenDriver
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


def test_beyond_the_limit_of_right_passwords_the_answer_is_429_also_for_wrong_ones(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """By default sixty a minute. Beyond it no password is hashed: nobody learns which is right."""
    client = deployment.client(grant_types=["password"])
    for username in ("alice", "bob"):
        deployment.user(username)
    for _ in range(60):
        assert token_endpoint.password(client, "alice").status == 200
        deployment.clock.now -= deployment.clock.now - deployment.clock.now.replace(second=1)
    unknown, hashes = token_endpoint.password(client, "nobody"), CountedHashes(deployment)
    assert (unknown.status, unknown.error) == (400, "invalid_grant")
    held = deployment.clock.now = deployment.clock.now.replace(second=1)
    answers = []
    for password in (PASSWORD, "wrong"):
        deployment.clock.now = held
        limited = token_endpoint.password(client, "Alice", password)
        assert (limited.status, limited.error) == (429, "temporarily_unavailable")
        answers.append(
            (limited.body, limited.response.headers["retry-after"], deployment.clock.now)
        )
    assert answers[0] == answers[1]
    assert hashes.number == 0
    assert token_endpoint.password(client, "bob").status == 200
    deployment.wait(timedelta(minutes=1))
    assert token_endpoint.password(client, "alice").status == 200
    deployment.services.audit.refusals.write()
    with deployment.services.database.reading() as session:
        reasons = session.scalars(select(AuditEventRow.reason)).all()
    assert "too many right or new passwords of the user" in reasons


@pytest.mark.parametrize("more_settings", [{"rate_limit_passwords": "1/minute"}])
def test_requests_that_verify_no_password_keep_no_user_from_signing_in(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """By a public client, by one without the grant, and without a password."""
    deployment.user("alice")
    app, machine = deployment.client(grant_types=["password"]), deployment.client()
    public = deployment.client(
        token_endpoint_auth_method="none",
        grant_types=["authorization_code"],
        redirect_uris=["https://app.example/callback"],
    )
    form, minute = {"grant_type": "password", "username": "alice"}, deployment.clock.now
    of_app, of_machine = ((each.client_id, each.client_secret) for each in (app, machine))
    for request in (
        {"data": {**form, "client_id": public.client_id}},
        {"data": {**form, "client_id": public.client_id, "password": PASSWORD}},
        {"data": {**form, "password": PASSWORD}, "auth": of_machine},
        {"data": form, "auth": of_app},
        {"data": {**form, "password": ""}, "auth": of_app},
    ):
        minute = deployment.clock.now = minute.replace(second=1) + timedelta(minutes=1)
        refused = token_endpoint.post(**request)
        assert refused.error in {"unauthorized_client", "invalid_request"}
        deployment.clock.now = minute
        assert token_endpoint.password(app, "alice").status == 200
        deployment.clock.now = minute
        assert token_endpoint.password(app, "alice").status == 429
        deployment.clock.now = (
            minute  # beyond the limit: the answer does not tell that it is reached
        )
        assert token_endpoint.post(**request).body == refused.body


@pytest.mark.parametrize("more_settings", [{"rate_limit_passwords": "1/minute"}])
@pytest.mark.parametrize(
    ("refused_for", "error"),
    [
        ({"scope": "agents:delete"}, "invalid_scope"),
        ({"audience": "elsewhere"}, "invalid_target"),
    ],
)
def test_right_passwords_count_where_the_request_is_refused_after_them(
    deployment: Deployment, token_endpoint: TokenDriver, refused_for: dict[str, str], error: str
):
    deployment.user("alice")
    client = deployment.client(grant_types=["password"])
    deployment.clock.now = deployment.clock.now.replace(second=1)
    held, hashes = deployment.clock.now, CountedHashes(deployment)
    assert token_endpoint.password(client, "alice", **refused_for).error == error
    deployment.clock.now = held
    assert token_endpoint.password(client, "alice", **refused_for).status == 429
    assert hashes.number == 1


@three_failures
def test_refusals_by_a_limit_are_one_event_with_a_count(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """Not one row per request, and without the claimed id, which may differ each time."""
    fail(token_endpoint)
    for number in range(20):
        token_endpoint.client_credentials(Credentials(f"unknown-{number}", "wrong"))
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
    deployment: Deployment, token_endpoint: TokenDriver
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
def test_the_event_of_a_client_beyond_its_limit_names_the_client(
    deployment: Deployment, token_endpoint: TokenDriver
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
def test_refusals_by_a_limit_have_their_own_metric_label(
    deployment: Deployment, token_endpoint: TokenDriver
):
    fail(token_endpoint)
    assert token_endpoint.client_credentials(Credentials("unknown", "wrong")).status == 429
    answer = deployment.http.get(
        "/metrics", headers={"Authorization": "Bearer a-token-for-scrapers"}
    )
    assert (
        'issuer_token_requests_refused_total{error="too_many_requests"} 1.0'
        in answer.text.splitlines()
    )


@three_requests
def test_a_request_that_waits_for_the_next_second_counts_once(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """It waits because the tokens of the client were just revoked."""
    client = deployment.client("ci-bot")
    with deployment.changing() as work:
        work.clients.revoke_tokens("ci-bot")
    statuses = [token_endpoint.client_credentials(client).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


@three_failures
def test_wrong_refresh_tokens_do_not_count_as_failures(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """256 random bits cannot be guessed, and reuse is refused each time."""
    alice = sign_in(deployment, token_endpoint)
    alice.refresh()
    answers = [alice.refresh() for _ in range(5)]
    assert {answer.error for answer in answers} == {"invalid_grant"}
