"""What is counted, and with which labels."""

from contextlib import ExitStack

import pytest

from issuer.errors import NotAllowed
from tests.builders import Deployment
from tests.drivers import AdminApi, TokenDriver
from tests.inspection.fake_agentos import inspectable
from tests.inspection.test_hostile_answers import inspect
from tests.prometheus.scraper import TOKEN as METRICS_TOKEN
from tests.prometheus.scraper import Scraper
from tests.verifying_servers import Reply

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])
counted = pytest.mark.parametrize("more_settings", [{"metrics_token": METRICS_TOKEN}])


@pytest.fixture
def scraper(deployment: Deployment) -> Scraper:
    return Scraper(deployment.http)


def requests(scraper: Scraper) -> dict[tuple[str, ...], float]:
    """By interface, method, route and status; without probes."""
    found = {
        tuple(dict(labels)[name] for name in ("interface", "method", "route", "status")): value
        for labels, value in scraper.of("issuer_http_requests_total").items()
    }
    return {labels: value for labels, value in found.items() if labels[0] != "probes"}


@pytest.mark.parametrize(
    "more_settings",
    [
        {"metrics_token": METRICS_TOKEN},
        {"metrics_token": METRICS_TOKEN, "url": "https://id.example/a"},
    ],
)
def test_requests_are_counted_by_the_template_of_their_path(
    deployment: Deployment, more_settings: dict[str, str]
):
    base = more_settings.get("url", "https://id.example")
    http = deployment.http
    http.base_url = base
    scraper = Scraper(http)
    tokens = http.post(
        f"{base}/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(deployment.admin.client_id, deployment.admin.client_secret),
    )
    bearer = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
    for path in ("roles", "roles/nothing", "roles/other%2Fnothing"):
        http.get(f"{base}/admin/v1/{path}", headers=bearer)
    http.head(f"{base}/admin/v1/roles", headers=bearer)
    http.get(f"{base}/admin/v1/roles")
    http.delete(f"{base}/admin/v1/roles")
    http.get(f"{base}/admin/v1/made-up")
    http.get(f"{base}/.well-known/jwks.json")
    http.request("MADE-UP", f"{base}/.well-known/jwks.json")
    http.get(f"{base}/sign-in")
    http.get(f"{base}/console/clients/made-up", follow_redirects=False)
    http.get(f"{base}/made-up")
    http.get(f"{base}/scim/v2/Users")
    assert requests(scraper) == {
        ("admin", "GET", "/admin/v1/roles", "2xx"): 1,
        ("admin", "GET", "/admin/v1/roles/{name}", "4xx"): 2,
        ("admin", "HEAD", "/admin/v1/roles", "2xx"): 1,
        ("admin", "GET", "/admin/v1/roles", "4xx"): 1,
        ("admin", "DELETE", "/admin/v1/roles", "4xx"): 1,
        ("protocol", "GET", "/.well-known/jwks.json", "2xx"): 1,
        ("protocol", "other", "/.well-known/jwks.json", "4xx"): 1,
        ("pages", "GET", "/sign-in", "2xx"): 1,
        ("console", "GET", "/console/clients/{key}", "3xx"): 1,
        ("scim", "GET", "/scim/v2/Users", "4xx"): 1,
        ("other", "GET", "other", "4xx"): 2,
    }
    assert (
        scraper.value("issuer_http_request_duration_seconds_count", interface="admin", method="GET")
        == 4
    )


@counted
def test_inspections_are_counted_by_the_most_severe_finding(
    deployment: Deployment, scraper: Scraper
):
    with inspectable(deployment) as agent_os:
        inspect(deployment)
        agent_os.open.add("/sessions")
        inspect(deployment)
        agent_os.answers["/config"] = Reply(404, b"")
        with pytest.raises(NotAllowed):
            inspect(deployment)
    counted = {
        dict(each)["outcome"]: n for each, n in scraper.of("issuer_inspections_total").items()
    }
    assert counted == {"nothing": 1, "low": 0, "medium": 0, "high": 1, "failed": 1}


@counted
def test_an_unexpected_error_is_a_5xx(deployment: Deployment, scraper: Scraper):
    token = TokenDriver(deployment.http).client_credentials(deployment.admin).token
    deployment.services.administration.require_current = broken  # type: ignore[method-assign]
    deployment.http._transport.raise_app_exceptions = False  # type: ignore[attr-defined]
    AdminApi(deployment.http, token).get("/roles")
    assert requests(scraper)["admin", "GET", "/admin/v1/roles", "5xx"] == 1


def broken() -> None:
    raise RuntimeError


@pytest.mark.parametrize(
    "more_settings", [{"metrics_token": METRICS_TOKEN, "rate_limit_requests": "2/minute"}]
)
def test_refusals_by_a_limit_are_counted(deployment: Deployment, scraper: Scraper):
    client = deployment.client()
    statuses = [TokenDriver(deployment.http).client_credentials(client).status for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    assert scraper.value("issuer_rate_limited_total", limit="token_requests") == 2
    assert sum(scraper.of("issuer_rate_limited_total").values()) == 2


@pytest.mark.parametrize(
    "more_settings", [{"metrics_token": METRICS_TOKEN, "sign_in_failures": "1"}]
)
def test_locks_are_counted(deployment: Deployment, scraper: Scraper):
    client = deployment.client(grant_types=["password"])
    deployment.user("alice")
    driver = TokenDriver(deployment.http)
    assert driver.password(client, "alice", "not-it").error == "invalid_grant"
    assert scraper.value("issuer_sign_in_locks_total", of="user") == 1
    assert sum(scraper.of("issuer_sign_in_locks_total").values()) == 1


@counted
def test_transactions_connections_and_events_are_measured(deployment: Deployment, scraper: Scraper):
    def count(name: str, **labels: str) -> float:
        return scraper.value(f"{name}_count", **labels) or 0

    durations = "issuer_database_transaction_duration_seconds"
    before = count(durations, kind="audit"), count("issuer_audit_wait_seconds")
    events = scraper.value("issuer_audit_events_total")
    client = deployment.client()
    for _ in range(3):
        TokenDriver(deployment.http).client_credentials(client)
    after = count(durations, kind="audit"), count("issuer_audit_wait_seconds")
    assert after == (before[0] + 3, before[1] + 3)
    assert scraper.value("issuer_audit_events_total") == events + 3
    assert count(durations, kind="write") > 0
    assert count(durations, kind="read") > 0
    assert count("issuer_database_connection_wait_seconds") > 0
    assert scraper.value("issuer_database_connections_max") == 20


@counted
def test_connections_of_the_pool_are_counted_by_state(deployment: Deployment, scraper: Scraper):
    """More than the background threads use: any of them may hold one at that moment."""
    with ExitStack() as held:
        for _ in range(10):
            held.enter_context(deployment.services.database.engine.connect())
        assert scraper.value("issuer_database_connections", state="in_use") >= 10
    assert scraper.value("issuer_database_connections", state="idle") >= 1


@counted
def test_gauges_show_what_is_held_now(deployment: Deployment, scraper: Scraper):
    assert scraper.value("issuer_database_up") == 1
    assert scraper.value("issuer_audit_writable") == 1
    assert scraper.value("issuer_audit_checkpoint_timestamp_seconds") == 0
    assert scraper.value("issuer_worker_pool_tasks", pool="queries") == 0
    assert scraper.value("issuer_worker_pool_tasks_max", pool="queries") == 264
    assert scraper.value("issuer_workers") == 1
    deployment.services.audit.make_checkpoint()
    made_at = scraper.value("issuer_audit_checkpoint_timestamp_seconds")
    assert made_at == deployment.clock().timestamp()
    deployment.services.database.outage.failed("it is away", writing=True)
    assert scraper.value("issuer_database_up") == 0


@counted
def test_a_checkpoint_counts_as_new_while_there_is_nothing_to_cover(
    deployment: Deployment, scraper: Scraper
):
    deployment.services.audit.make_checkpoint()
    deployment.wait(deployment.services.settings.audit_checkpoint_every * 2)
    deployment.services.audit.make_checkpoint()
    made_at = scraper.value("issuer_audit_checkpoint_timestamp_seconds")
    assert made_at == deployment.clock().timestamp()


@counted
def test_the_feed_is_measured(deployment: Deployment, scraper: Scraper):
    client = deployment.client()
    driver = TokenDriver(deployment.http)
    driver.revoke(client, driver.client_credentials(client).token)
    assert scraper.value("issuer_revocation_feed_entries", kind="token") == 1
    issued = scraper.value("issuer_revocation_feed_issued_timestamp_seconds")
    assert issued == pytest.approx(deployment.clock().timestamp(), abs=60)
