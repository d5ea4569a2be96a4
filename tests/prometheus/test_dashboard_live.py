"""The dashboard and the alerts on a real Prometheus that scrapes a real issuer."""

import json
import math
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import yaml

from tests.builders import Credentials
from tests.drivers import AdminApi
from tests.journeys.running_issuer import (
    RunningIssuer,
    end_with_the_tests,
    process_environment,
    reserved_port,
    wait_until,
)
from tests.journeys.signing_in import CALLBACK
from tests.prometheus.deployed import ALERTS, DASHBOARD, program
from tests.prometheus.scraper import TOKEN
from tests.verifiers.reporting import NAME, report

SECONDS = 120
SETTINGS = {
    "metrics_token": TOKEN,
    "signing_algorithms": "ES256",
    "audit_checkpoint_every": "10s",
}
SUBSTITUTED = {"$job": "issuer", "$__rate_interval": "15s"}

pytestmark = pytest.mark.slow


class Prometheus:
    def __init__(self, port: int) -> None:
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False)

    def has(self, query: str) -> bool:
        """Whether the query gives a number; quantiles of nothing are NaN."""
        answer = self._http.get("/query", params={"query": query})
        assert answer.status_code == 200, f"{query}: {answer.text}"
        found = answer.json()["data"]["result"]
        return any(not math.isnan(float(each["value"][1])) for each in found)

    def rules(self) -> dict[str, dict[str, object]]:
        groups = self._http.get("/rules").json()["data"]["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def is_ready(self) -> bool:
        with suppress(httpx.TransportError):
            answer = self._http.get("/query", params={"query": "vector(1)"})
            return answer.status_code == httpx.codes.OK  # 503 while it starts
        return False


@contextmanager
def scraping(issuer: RunningIssuer, folder: Path) -> Iterator[Prometheus]:
    folder.mkdir()
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [
            {
                "job_name": "issuer",
                "authorization": {"credentials": TOKEN},
                "static_configs": [{"targets": [f"127.0.0.1:{issuer.port}"]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    with reserved_port() as port, (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
            env=process_environment(),
            preexec_fn=end_with_the_tests,  # noqa: PLW1509 - one system call, no lock
        )
        try:
            prometheus = Prometheus(port)
            wait_until(prometheus.is_ready, SECONDS, "Prometheus answers")
            yield prometheus
        finally:
            process.terminate()
            process.wait()


def test_each_query_of_the_dashboard_gives_data(tmp_path: Path):
    with (
        RunningIssuer(tmp_path, **SETTINGS) as issuer,
        scraping(issuer, tmp_path / "prometheus") as prometheus,
    ):
        client = issuer.deployment.client(
            "ci-bot",
            grant_types=["client_credentials", "authorization_code"],
            redirect_uris=[CALLBACK],
        )
        waiting = set(queries())
        assert len(waiting) > 40

        def all_have_data() -> bool:
            use(issuer, client)
            waiting.difference_update([each for each in waiting if prometheus.has(each)])
            return not waiting

        try:
            wait_until(all_have_data, SECONDS, "every query has data")
        except AssertionError:
            raise AssertionError(f"Without data: {waiting}") from None
        rules = prometheus.rules()
        expected = {
            rule["alert"] for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
        }
        assert rules.keys() == expected
        assert {rule["health"] for rule in rules.values()} == {"ok"}


def use(issuer: RunningIssuer, client: Credentials) -> None:
    """A little of everything that the dashboard shows."""
    endpoint = issuer.token_endpoint
    admin = AdminApi(issuer.http, endpoint.client_credentials(issuer.deployment.admin).token)
    admin.get("/roles")
    endpoint.client_credentials(client)
    endpoint.client_credentials(client, scope="agents:run")
    endpoint.client_credentials(Credentials("nobody", "x"))
    issuer.http.get("/.well-known/revocations", headers={NAME.encode(): report()})
    issuer.http.get("/sign-in")
    issuer.http.get("/console")
    issuer.http.get("/scim/v2/Users")
    issuer.http.post("/admin/v1/usage")
    wrong = {"client_id": client.client_id, "redirect_uri": CALLBACK, "response_type": "token"}
    issuer.http.get("/oauth2/authorize", params=wrong)


def queries() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"]
            for name, value in SUBSTITUTED.items():
                query = query.replace(name, value)
            yield query
