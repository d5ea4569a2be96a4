"""The admin API conforms to `/openapi.json` for generated requests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.journeys.running_issuer import REPOSITORY, RunningIssuer

SECONDS = 1800  # of 8,000 requests
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]


@pytest.fixture
def issuer(tmp_path: Path, database_url: str) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path, database_url, rate_limit_failures="off") as issuer:
        yield issuer


@pytest.mark.slow
def test_every_response_conforms_to_its_description(issuer: RunningIssuer, tmp_path: Path):
    """schemathesis, every phase: examples, coverage, fuzzing, stateful."""
    admin = issuer.deployment.admin
    httpx.get(f"{issuer.url}/openapi.json", timeout=60, trust_env=False)  # built with its first use
    run = subprocess.run(
        [
            *(Path(sys.executable).parent / "schemathesis", "run", f"{issuer.url}/openapi.json"),
            *("--checks", ",".join(CHECKS)),
            *("--max-examples", "15", "--seed", "1", "--suppress-health-check", "all"),
            *("--warnings", "off", "--request-timeout", "60"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "NO_COLOR": "1",
            "PYTHONPATH": str(REPOSITORY),
            "SCHEMATHESIS_HOOKS": "tests.admin.fresh_tokens",
            "ISSUER_URL": issuer.url,
            "CLIENT_ID": admin.client_id,
            "CLIENT_SECRET": admin.client_secret,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert run.returncode == 0, run.stdout[-5000:]
    assert "unexpected_error" not in issuer.log
    assert issuer.token_endpoint.client_credentials(admin).status == 200, "until the end"
