"""What cannot be right does not start, and says why (CONTRACT §9)."""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.agentos.releases import REPOSITORY, AgnoRelease
from tests.agentos.tokens import Tokens

CHANGED = "verifies tokens in another way than this adapter knows"


@pytest.fixture(scope="module")
def setups(adapted_release: AgnoRelease, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What came of each of `setups.py`, under one release."""
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
def test_an_agno_that_we_do_not_know_does_not_start(setups: Any, setup: str) -> None:
    assert setups[setup]["raised"].startswith("ConfigurationError: agno ")
    assert CHANGED in setups[setup]["raised"]
    assert setups["agno_is_as_it_was"]["raised"] is None


@pytest.mark.parametrize(
    ("setup", "why"),
    [
        ("url_without_a_verifier", "JWKS file not found"),
        ("url_that_no_verifier_means", "make a Verifier first"),
        ("url_that_two_verifiers_mean", "several Verifiers mean it"),
    ],
)
def test_a_url_that_nobody_answers_to_does_not_start(setups: Any, setup: str, why: str) -> None:
    assert why in setups[setup]["raised"]


def test_a_file_that_is_missing_is_what_it_was(setups: Any) -> None:
    assert (
        setups["file_that_is_missing"]["raised"] == "ValueError: JWKS file not found: missing.json"
    )


@pytest.mark.parametrize("setup", ["nothing_checks_tokens", "nothing_but_a_security_key"])
def test_an_app_that_checks_no_token_does_not_start(setups: Any, setup: str) -> None:
    assert "Nothing in this app checks tokens" in setups[setup]["raised"]


def test_a_middleware_that_believes_everything_does_not_start(setups: Any) -> None:
    raised = setups["middleware_that_believes_everything"]["raised"]
    assert "validate=False would have agno believe every token" in raised


def test_a_key_in_the_environment_is_said_aloud(setups: Any) -> None:
    """agno adds it to every validator by itself."""
    setup = setups["key_in_the_environment"]
    assert setup["raised"] is None
    assert "JWT_VERIFICATION_KEY is set" in setup["logged"]


def test_a_key_in_the_environment_does_not_start_when_strict(setups: Any) -> None:
    raised = setups["key_in_the_environment_and_strict"]["raised"]
    assert raised.startswith("ConfigurationError: JWT_VERIFICATION_KEY is set")


def test_a_key_in_the_environment_that_is_named_is_meant(setups: Any) -> None:
    setup = setups["key_in_the_environment_that_is_named"]
    assert setup["raised"] is None
    assert "JWT_VERIFICATION_KEY" not in setup["logged"]


def test_a_managed_app_leaves_nothing_open(setups: Any) -> None:
    assert "Any token is enough" not in setups["everything_managed"]["logged"]


def test_what_manual_middleware_leaves_open_is_said(setups: Any) -> None:
    logged = setups["everything_manual"]["logged"]
    assert "Any token is enough, whatever its scopes, for A2A, AG-UI of the AgentOS at /." in logged


def test_what_an_outer_app_leaves_open_is_said(setups: Any, adapted_release: AgnoRelease) -> None:
    """agno looks scopes up by whole paths there: before 3.0 in managed mode too."""
    everything = "sessions, memories, config and the like, A2A, AG-UI of the AgentOS at /os"
    assert everything in setups["everything_mounted_behind_middleware"]["logged"]
    is_open = "Any token is enough" in setups["everything_mounted"]["logged"]
    assert is_open is adapted_release.version.startswith("2.")
