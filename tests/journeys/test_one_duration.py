"""Response times do not reveal what is wrong with credentials.

`benchmarks/one_duration.py` shows the distributions.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.builders import Deployment
from tests.journeys.durations import (
    SETTINGS,
    Ask,
    SignInWith,
    by_page,
    by_password_grant,
    measured,
    refused_clients,
    refused_subject_tokens,
    refused_users,
    slower,
)
from tests.journeys.running_issuer import RunningIssuer

CLIENT_REQUESTS, SIGN_INS = 50, 40  # of each kind
TRIES = 3  # one disturbance of the machine may hit one kind harder
# 0.5 is no difference, and random variation stays far within this. The queries that only a known
# client needs made it 0.88, before refusals waited for each other.
FAR_FROM_A_COIN = 0.25


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path, **SETTINGS) as issuer:
        yield issuer


@pytest.mark.slow
def test_unknown_wrong_and_disabled_clients_are_refused_alike(issuer: RunningIssuer):
    assert_alike(
        issuer, refused_clients(issuer.deployment, TRIES * CLIENT_REQUESTS), CLIENT_REQUESTS
    )


@pytest.mark.slow
@pytest.mark.parametrize("way", [by_password_grant, by_page])
def test_unknown_wrong_disabled_and_locked_users_are_refused_alike(
    issuer: RunningIssuer, way: Callable[[Deployment], SignInWith]
):
    assert_alike(issuer, refused_users(issuer.deployment, way), SIGN_INS)


@pytest.mark.slow
def test_subject_tokens_that_cannot_be_used_are_refused_alike(issuer: RunningIssuer):
    """RFC 8693 §2.2.2."""
    kinds = refused_subject_tokens(issuer.deployment, issuer.token_endpoint)
    assert_alike(issuer, kinds, CLIENT_REQUESTS)


def assert_alike(issuer: RunningIssuer, kinds: dict[str, Ask], times: int) -> None:
    """No kind is mostly slower or faster than the first."""
    for _ in range(TRIES):
        taken = measured(issuer.token_endpoint, kinds, times)
        first = next(iter(taken.values()))
        shares = {kind: slower(each, first) for kind, each in taken.items()}
        if all(abs(share - 0.5) < FAR_FROM_A_COIN for share in shares.values()):
            return
    raise AssertionError(f"How often each took longer than the first: {shares}")
