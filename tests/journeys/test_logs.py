"""Log lines about requests, and during a database outage."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.builders import PASSWORD, Credentials
from tests.drivers import AdminApi
from tests.journeys.running_issuer import RunningIssuer, polls, wait_until
from tests.journeys.signing_in import CALLBACK, WebPerson, authorization_url, token_request
from tests.private_postgresql import PostgresqlServer
from tests.sign_in.authorizing import GRANTS, VERIFIER

pytestmark = pytest.mark.slow

WRONG = "ais_0000000000000000000000000000000000000000000"
SECONDS_AWAY = 3
SECONDS = 30


@pytest.mark.parametrize("log_requests", ["off", "1"])
def test_a_refusal_is_logged_with_client_request_and_reason(tmp_path: Path, log_requests: str):
    with RunningIssuer(tmp_path, log_requests=log_requests) as issuer:
        client = issuer.deployment.client("ci-bot")
        wrong = Credentials("ci-bot", WRONG)
        endpoint = issuer.token_endpoint
        assert endpoint.client_credentials(wrong).status == 401
        assert endpoint.client_credentials(client, scope="agents:run").status == 400
        assert endpoint.revoke(wrong, "a-token").status_code == 401
        assert endpoint._about("introspect", wrong, "a-token", {}).status_code == 401
        token = endpoint.client_credentials(client).token
        assert endpoint.client_credentials(client).status == 200
        admin = AdminApi(issuer.http, token)
        assert admin.get("/roles?limit=1").status_code == 401
        admin = AdminApi(issuer.http, endpoint.client_credentials(issuer.deployment.admin).token)
        assert admin.get("/roles/nothing").status_code == 404
    refused = [line for line in lines(issuer) if line["event"].endswith("_refused")]
    for line in refused:
        assert line["address"] == "127.0.0.1"
        assert line["reason"]
        assert line["request_id"]
    logged = [(line["event"], line["method"], line["path"], line.get("client")) for line in refused]
    assert logged == [
        ("token_refused", "POST", "/oauth2/token", "ci-bot"),
        ("token_refused", "POST", "/oauth2/token", "ci-bot"),
        ("revocation_refused", "POST", "/oauth2/revoke", "ci-bot"),
        ("introspection_refused", "POST", "/oauth2/introspect", "ci-bot"),
        ("admin_refused", "GET", "/admin/v1/roles", None),
        ("admin_refused", "GET", "/admin/v1/roles/nothing", "issuer-admin"),
    ]
    for secret in (WRONG, client.client_secret, token, "a-token", "limit"):
        assert secret not in issuer.log


def test_a_secret_sent_as_a_client_id_is_not_logged(tmp_path: Path):
    with RunningIssuer(tmp_path) as issuer:
        assert issuer.token_endpoint.client_credentials(Credentials(WRONG, "x")).status == 401
    assert "token_refused" in issuer.log
    assert WRONG not in issuer.log


def test_nothing_of_a_sign_in_that_counts_is_logged(tmp_path: Path):
    """Codes, cookies, tokens and what was typed; much of it is in URLs."""
    with RunningIssuer(tmp_path, log_requests="1") as issuer:
        issuer.deployment.user("alice")
        app = issuer.deployment.client("app", grant_types=GRANTS, redirect_uris=[CALLBACK])
        alice = WebPerson("alice")
        sent = {"state": "a-state-of-the-app", "nonce": "a-nonce-of-the-app"}
        code = alice.code(issuer.url, app, scope="openid", **sent)
        credentials = (app.client_id, app.client_secret)
        answer = issuer.token_endpoint.post(data=token_request(code), auth=credentials).body
        hint = {"id_token_hint": answer["id_token"]}
        alice.browser.get(authorization_url(issuer.url, app, **hint))
        cookies = [each.value for each in alice.browser.cookies.jar]
        alice.browser.get(f"{issuer.url}/oauth2/logout", params=hint)
    assert "/oauth2/logout" in issuer.log
    tokens = [answer[name] for name in ("access_token", "refresh_token", "id_token")]
    assert len(cookies) >= 2
    for secret in (code, PASSWORD, VERIFIER, *sent.values(), *tokens, *cookies):
        assert secret not in issuer.log


@pytest.mark.parametrize(
    ("log_requests", "statuses"), [("off", []), ("errors", [404]), ("1", [200, 200, 404])]
)
def test_requests_are_logged_as_the_setting_says(
    tmp_path: Path, log_requests: str, statuses: list[int]
):
    with RunningIssuer(tmp_path, log_requests=log_requests) as issuer:
        client = issuer.deployment.client("ci-bot")
        before = len(lines(issuer))
        answers = [issuer.token_endpoint.client_credentials(client).response for _ in range(2)]
        answers.append(issuer.http.get("/nothing?token=hunter2"))
    found = [line for line in lines(issuer)[before:] if line["event"] == "request"]
    assert [line["status"] for line in found] == statuses
    ids = {each.headers["x-request-id"] for each in answers if each.status_code in statuses}
    assert {line["request_id"] for line in found} == ids
    for line in found:
        is_token = line["status"] == 200
        path, route = ("/oauth2/token", "/oauth2/token") if is_token else ("/nothing", "")
        assert (line["path"], line["route"], line["address"]) == (path, route, "127.0.0.1")
        assert line["method"] == ("POST" if is_token else "GET")
        assert line.get("client") == ("ci-bot" if is_token else None)
        assert line["milliseconds"] > 0
    assert "hunter2" not in issuer.log


def test_during_a_database_outage_the_log_has_one_line_a_minute_for_each_cause(
    empty_postgresql: PostgresqlServer, tmp_path: Path
):
    with RunningIssuer(tmp_path, empty_postgresql.url, signing_algorithms="ES256") as issuer:
        client = issuer.deployment.client()
        assert issuer.token_endpoint.client_credentials(client).status == 200
        before = len(lines(issuer))
        let_nobody_in(empty_postgresql)
        try:
            for _ in polls(SECONDS_AWAY):
                assert issuer.http.get("/readyz").status_code in {200, 503}
                time.sleep(0.2)
            answer = issuer.token_endpoint.client_credentials(client)
            assert (answer.status, answer.error) == (503, "temporarily_unavailable")
        finally:
            empty_postgresql.execute_elsewhere("ALTER DATABASE issuer ALLOW_CONNECTIONS true")
        wait_until(lambda: ready(issuer.http), SECONDS, "it is ready again")
        assert issuer.token_endpoint.client_credentials(client).status == 200
    meanwhile = [line for line in lines(issuer)[before:] if line["level"] != "info"]
    assert {line["event"] for line in meanwhile} == {"database_unavailable"}
    assert len({line["cause"] for line in meanwhile}) == len(meanwhile)
    (refused,) = [line for line in lines(issuer) if line["event"] == "token_refused"]
    assert 'database "issuer" is not currently accepting connections' in refused["reason"]
    assert refused["client"] == client.client_id


def let_nobody_in(server: PostgresqlServer) -> None:
    server.execute_elsewhere(
        "ALTER DATABASE issuer ALLOW_CONNECTIONS false",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'issuer'",
    )


def ready(http: httpx.Client) -> bool:
    return http.get("/readyz").status_code == httpx.codes.OK


def lines(issuer: RunningIssuer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in issuer.log.splitlines() if line.startswith("{")]
