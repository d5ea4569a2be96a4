"""An invalid configuration does not start, and the error says why."""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.agentos.releases import REPOSITORY, AgnoRelease
from tests.agentos.tokens import Tokens

pytestmark = pytest.mark.slow

CHANGED = "verifies tokens in a way that this adapter does not support"
OPEN = "Any valid token, whatever its scopes, may use"


@pytest.fixture(scope="module")
def setups(adapted_release: AgnoRelease, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The result of each function of `setups.py`, under one release."""
    workdir = tmp_path_factory.mktemp("setups")
    answer = subprocess.run(
        [str(adapted_release.python), "-P", "-m", "tests.agentos.adapter.setups", Tokens().pem],
        cwd=workdir,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "AGNO_TELEMETRY": "false"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(answer.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "setup",
    [
        "agno_renames_the_method",
        "agno_calls_the_method_with_more",
        "agno_calls_the_method_no_more",
        "agno_opens_the_file_elsewhere",
    ],
)
def test_an_unsupported_agno_does_not_start(setups: Any, setup: str) -> None:
    assert setups[setup]["raised"].startswith("InvalidConfiguration: agno ")
    assert CHANGED in setups[setup]["raised"]
    assert setups["agno_is_as_it_was"]["raised"] is None


@pytest.mark.parametrize(
    ("setup", "why"),
    [
        ("url_without_a_verifier", "JWKS file not found"),
        ("url_that_no_verifier_matches", "create a Verifier first"),
        ("url_that_two_verifiers_match", "several Verifiers match it"),
    ],
)
def test_a_url_that_does_not_match_one_verifier_does_not_start(
    setups: Any, setup: str, why: str
) -> None:
    assert why in setups[setup]["raised"]


def test_a_missing_file_raises_the_error_of_agno(setups: Any) -> None:
    assert (
        setups["file_that_is_missing"]["raised"] == "ValueError: JWKS file not found: missing.json"
    )


@pytest.mark.parametrize("setup", ["app_without_verification", "app_with_a_security_key_only"])
def test_an_app_that_verifies_no_token_does_not_start(setups: Any, setup: str) -> None:
    assert "This app verifies no tokens" in setups[setup]["raised"]


def test_a_middleware_that_accepts_unverified_tokens_does_not_start(setups: Any) -> None:
    raised = setups["middleware_without_validation"]["raised"]
    assert "validate=False makes agno accept every token unverified" in raised


def test_a_key_in_the_environment_is_logged(setups: Any) -> None:
    """agno adds it to every validator."""
    setup = setups["key_in_the_environment"]
    assert setup["raised"] is None
    assert "JWT_VERIFICATION_KEY is set" in setup["logged"]


def test_a_key_in_the_environment_does_not_start_when_strict(setups: Any) -> None:
    raised = setups["key_in_the_environment_and_strict"]["raised"]
    assert raised.startswith("InvalidConfiguration: JWT_VERIFICATION_KEY is set")


def test_a_key_in_the_environment_that_is_configured_too_is_not_logged(setups: Any) -> None:
    setup = setups["key_in_the_environment_that_is_named"]
    assert setup["raised"] is None
    assert "JWT_VERIFICATION_KEY" not in setup["logged"]


def test_a_managed_app_has_no_open_routes(setups: Any) -> None:
    assert OPEN not in setups["everything_managed"]["logged"]


def test_routes_that_manual_middleware_leaves_open_are_logged(setups: Any) -> None:
    logged = setups["everything_manual"]["logged"]
    assert f"{OPEN} A2A, AG-UI of the AgentOS at /." in logged


def test_routes_that_an_outer_app_leaves_open_are_logged(
    setups: Any, adapted_release: AgnoRelease
) -> None:
    """agno looks up scopes by whole paths there: before 3.0 in managed mode too."""
    everything = "sessions, memories, config and the like, A2A, AG-UI of the AgentOS at /os"
    assert everything in setups["everything_mounted_behind_middleware"]["logged"]
    is_open = OPEN in setups["everything_mounted"]["logged"]
    assert is_open is adapted_release.version.startswith("2.")


def test_a_second_source_of_metadata_does_not_start(setups: Any) -> None:
    raised = setups["metadata_of_another_provider"]["raised"]
    assert raised.startswith("InvalidConfiguration: The AgentOS already answers at /.well-known/")
    assert "remove mcp_auth, or url=" in raised
