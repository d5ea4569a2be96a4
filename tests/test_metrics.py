"""`/metrics`: authentication and values."""

import subprocess
import sys
from datetime import timedelta

import httpx
import pytest
from openapi_spec_validator import validate

from issuer.settings import Settings
from issuer.verifiers.known_verifier import LIVE_FOR
from issuer.vocabulary import SigningAlgorithm
from tests.builders import Deployment, FakeClock, initialised
from tests.drivers import TokenDriver
from tests.journeys.running_issuer import process_environment
from tests.prometheus.scraper import BEARER, TOKEN, Labels, Scraper
from tests.rows import rows
from tests.verifiers.reporting import left_out, report

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])
measured = pytest.mark.parametrize("more_settings", [{"metrics_token": TOKEN}])


@pytest.fixture
def scraper(http: httpx.Client) -> Scraper:
    return Scraper(http)


def test_without_a_token_in_the_settings_there_are_no_metrics(http: httpx.Client):
    for headers in ({}, BEARER, {"Authorization": "Bearer "}):
        assert http.get("/metrics", headers=headers).status_code == 404
    assert "/metrics" not in http.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize("token", ["", TOKEN])
def test_without_metrics_the_library_is_not_loaded(
    settings: Settings, clock: FakeClock, token: str
):
    initialised(settings, clock)
    environment = {
        **process_environment(),
        "ISSUER_URL": settings.url,
        "ISSUER_DATABASE_URL": settings.effective_database_url,
        "ISSUER_DATA_DIR": str(settings.data_dir),
        "ISSUER_SIGNING_ALGORITHMS": "ES256",
        **({"ISSUER_METRICS_TOKEN": token} if token else {}),
    }
    program = (
        "import sys, issuer.cli.program, issuer.server.app;"
        "issuer.server.app.app_from_environment();"
        "print('prometheus_client' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == str(bool(token))


@measured
@rows(
    "authorization",
    [
        None,
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        b"Bearer \xff\xfe",
    ],
)
def test_only_the_metrics_token_gives_access(http: httpx.Client, authorization: str | bytes | None):
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = http.get("/metrics", headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "issuer_" not in answer.text


@measured
@pytest.mark.parametrize("other", ["Bearer x", f"Bearer {TOKEN}"])
def test_of_several_authorization_headers_none_counts(http: httpx.Client, other: str):
    answer = http.get("/metrics", headers=[*BEARER.items(), ("Authorization", other)])
    assert answer.status_code == 401


@measured
def test_an_access_token_of_an_administrator_gives_no_access(
    deployment: Deployment, token_endpoint: TokenDriver
):
    token = token_endpoint.client_credentials(deployment.admin).token
    answer = deployment.http.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


@measured
def test_it_is_the_text_format_and_not_cached(http: httpx.Client):
    answer = http.get("/metrics", headers={"Authorization": f"bearer {TOKEN}"})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    head = http.head("/metrics", headers=BEARER)
    assert (head.status_code, head.content) == (200, b"")
    assert http.post("/metrics", headers=BEARER).status_code == 405


@measured
def test_live_verifiers_are_counted_and_those_that_lack_the_next_key(
    deployment: Deployment, scraper: Scraper
):
    keyring, reported = deployment.services.keys.keyring, deployment.services.protocol.verifiers
    next_kid = keyring.next_key(SigningAlgorithm.ES256).kid
    for number, keys in enumerate([["k1"], ["k1", next_kid], ["k1"]]):
        reported.note(report(keys, id=f"instance-{number}"), "192.0.2.1")
    reported.note(report(aud="invented-os"), "192.0.2.1")
    reported.write()
    assert scraper.value("issuer_verifiers", audience="my-os") == 3
    assert scraper.value("issuer_verifiers_lacking_next_key", audience="my-os") == 2
    assert "invented-os" not in scraper.text()
    assert scraper.value("issuer_verifiers_left_out") == 0
    left_out(deployment.services)
    assert scraper.value("issuer_verifiers_left_out") == 3
    deployment.wait(2 * LIVE_FOR)
    assert scraper.of("issuer_verifiers") == {}
    assert scraper.value("issuer_verifiers_left_out") == 0


@measured
def test_every_metric_has_a_help_text(scraper: Scraper):
    assert all(family.documentation.endswith(".") for family in scraper.families())


@measured
def test_metrics_of_the_process_are_included(scraper: Scraper):
    names = {name for name, _ in scraper.samples()}
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "python_info"} <= names


@pytest.mark.parametrize("more_settings", [{"metrics_token": TOKEN, "url": "https://id.example/a"}])
def test_it_is_under_the_path_of_the_issuer(deployment: Deployment):
    assert deployment.http.get("https://id.example/a/metrics", headers=BEARER).status_code == 200
    assert deployment.http.get("https://id.example/metrics", headers=BEARER).status_code == 404


@measured
def test_openapi_describes_it(http: httpx.Client):
    schema = http.get("/openapi.json").json()
    validate(schema)
    assert schema["paths"]["/metrics"]["get"]["security"] == [{"metrics_token": []}]
    assert "client_secret_basic" in schema["components"]["securitySchemes"]


@measured
def test_tokens_are_counted_by_grant_type(
    deployment: Deployment, token_endpoint: TokenDriver, scraper: Scraper
):
    client = deployment.client(grant_types=["client_credentials", "password", "refresh_token"])
    deployment.user("alice")
    assert token_endpoint.client_credentials(client).status == 200
    assert token_endpoint.client_credentials(client).status == 200
    signed_in = token_endpoint.password(client, "alice")
    assert token_endpoint.refresh(client, signed_in.refresh_token).status == 200
    assert scraper.of("issuer_tokens_issued_total") == {
        frozenset({("grant_type", "client_credentials")}): 2,
        frozenset({("grant_type", "authorization_code")}): 0,
        frozenset({("grant_type", "urn:ietf:params:oauth:grant-type:device_code")}): 0,
        frozenset({("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")}): 0,
        frozenset({("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")}): 0,
        frozenset({("grant_type", "password")}): 1,
        frozenset({("grant_type", "refresh_token")}): 1,
    }
    assert set(scraper.of("issuer_token_requests_refused_total").values()) == {0}
    assert scraper.value("issuer_token_request_duration_seconds_count") == 4


@measured
def test_refusals_are_counted_by_the_error_in_the_answer(
    deployment: Deployment, token_endpoint: TokenDriver, scraper: Scraper
):
    client = deployment.client()
    errors = [
        token_endpoint.client_credentials(client, scope="agents:run").error,
        token_endpoint.client_credentials(client, scope="agents:run").error,
        token_endpoint.client_credentials(client, audience="nowhere").error,
        token_endpoint.password(client, "alice").error,
        token_endpoint.post(data={"grant_type": "client_credentials"}).error,
    ]
    deployment.services.tokens.changes.stop()
    deployment.clock.move(timedelta(seconds=11))
    errors.append(token_endpoint.client_credentials(client).error)
    counted = scraper.of("issuer_token_requests_refused_total")
    assert {labels: number for labels, number in counted.items() if number} == {
        frozenset({("error", error)}): errors.count(error) for error in errors
    }
    assert len(set(errors)) == 5
    assert set(scraper.of("issuer_tokens_issued_total").values()) == {0}


@measured
def test_an_unexpected_error_is_counted_as_server_error(
    deployment: Deployment, token_endpoint: TokenDriver, scraper: Scraper
):
    """A broken key is an example of any bug."""
    client = deployment.client()
    deployment.break_keys()
    assert token_endpoint.client_credentials(client).status == 500
    assert scraper.value("issuer_token_requests_refused_total", error="server_error") == 1


@measured
def test_labels_never_come_from_a_caller(
    deployment: Deployment, token_endpoint: TokenDriver, scraper: Scraper
):
    client = deployment.client("ci-bot")
    before = series(scraper)
    token = token_endpoint.client_credentials(client).token
    token_endpoint.post(data={"grant_type": "urn:made-up"}, auth=("ci-bot", client.client_secret))
    token_endpoint.post(data={"grant_type": "client_credentials"}, auth=("made-up", "made-up"))
    token_endpoint.client_credentials(client, scope="made-up", audience="made-up")
    text = scraper.text()
    for word in ("made-up", "ci-bot", "my-os", TOKEN, token, client.client_secret):
        assert word not in text
    assert series(scraper) == before


@measured
def test_keys_are_counted_as_they_rotate(deployment: Deployment, scraper: Scraper):
    def keys() -> dict[str, float | None]:
        return {
            state: scraper.value("issuer_signing_keys", alg="ES256", state=state)
            for state in ("announced", "active", "retired", "destroyed")
        }

    def changes() -> dict[str, float | None]:
        return {
            state: scraper.value("issuer_key_state_changes_total", state=state)
            for state in ("announced", "active", "retired", "destroyed")
        }

    assert keys() == {"announced": 1, "active": 1, "retired": 0, "destroyed": 0}
    assert changes() == {"announced": 2, "active": 1, "retired": 0, "destroyed": 0}
    deployment.wait(timedelta(days=30))
    assert keys() == {"announced": 1, "active": 1, "retired": 1, "destroyed": 0}
    assert changes() == {"announced": 3, "active": 2, "retired": 1, "destroyed": 0}
    deployment.wait(timedelta(days=2))
    assert keys() == {"announced": 1, "active": 1, "retired": 0, "destroyed": 1}
    assert changes() == {"announced": 3, "active": 2, "retired": 1, "destroyed": 1}
    with deployment.changing() as work:
        work.keys.revoke(deployment.services.keys.keyring.active("ES256").kid)
    deployment.wait(timedelta(0))
    assert keys() == {"announced": 1, "active": 1, "retired": 0, "destroyed": 2}
    assert changes() == {"announced": 4, "active": 3, "retired": 1, "destroyed": 2}


@measured
def test_the_planned_end_of_the_active_key_is_shown_if_there_is_one(
    deployment: Deployment, scraper: Scraper
):
    name = "issuer_signing_key_retires_timestamp_seconds"
    follows = deployment.clock() + timedelta(days=30)
    assert scraper.value(name, alg="ES256") == follows.timestamp()
    deployment.services.keys.rotator.stop()
    active = deployment.services.keys.keyring.active("ES256")
    with deployment.changing() as work:
        for key in work.keys.all():
            if key.kid != active.kid:
                work.keys.revoke(key.kid)
    assert scraper.of(name) == {}


def series(scraper: Scraper) -> set[tuple[str, Labels]]:
    """All but those of requests: their labels are what exists, such as routes."""
    return {each for each in scraper.samples() if not each[0].startswith("issuer_http_request")}
