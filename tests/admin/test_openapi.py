"""The admin API conforms to `/openapi.json` for generated requests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.running_issuer import RunningIssuer

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
    token = issuer.token_endpoint.client_credentials(issuer.deployment.admin).token
    run = subprocess.run(
        [
            *(Path(sys.executable).parent / "schemathesis", "run", f"{issuer.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {token}"),
            *("--checks", ",".join(CHECKS)),
            # It would revoke the tokens of the calling client: every later response would be 401.
            *("--exclude-path", "/admin/v1/clients/{client_id}/revoke-tokens"),
            *("--max-examples", "15", "--seed", "1", "--suppress-health-check", "all"),
            *("--warnings", "off", "--request-timeout", "60"),
        ],
        cwd=tmp_path,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout[-5000:]
    assert "unexpected_error" not in issuer.log
