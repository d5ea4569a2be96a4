"""Changing the algorithm of an audience keeps its valid tokens valid."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.algorithms import AlgorithmInUse
from issuer.errors import NotAllowed
from issuer.vocabulary import KEY_RETENTION, MAX_TOKEN, SigningAlgorithm
from tests.builders import Deployment, FakeClock
from tests.drivers import TokenDriver

ANNOUNCED = timedelta(hours=24, seconds=61)
pytestmark = pytest.mark.parametrize("more_settings", [{"signing_algorithms": "RS256,ES256,PS256"}])

Change = Callable[[str], None]


@pytest.fixture
def change(deployment: Deployment) -> Change:
    def change(alg: str) -> None:
        with deployment.changing() as work:
            work.audiences.update("my-os", {"signing_alg": alg})

    return change


def published(deployment: Deployment) -> set[str]:
    return {key["alg"] for key in deployment.http.get("/.well-known/jwks.json").json()["keys"]}


def signs_with(deployment: Deployment, token_endpoint: TokenDriver) -> str:
    client = deployment.client()
    return token_endpoint.read(token_endpoint.client_credentials(client))[0]["alg"]


def test_the_new_keys_are_published_before_one_signs(
    deployment: Deployment, token_endpoint: TokenDriver, change: Change
):
    assert published(deployment) == {"RS256"}
    change("ES256")
    assert published(deployment) == {"RS256", "ES256"}
    assert signs_with(deployment, token_endpoint) == "RS256"
    deployment.wait(ANNOUNCED - timedelta(seconds=1))
    assert signs_with(deployment, token_endpoint) == "RS256"
    deployment.wait(timedelta(seconds=1))
    assert signs_with(deployment, token_endpoint) == "ES256"


@pytest.fixture
def alone(deployment: Deployment) -> None:
    """No other audience has RS256; the issuer's own did."""
    with deployment.changing() as work:
        work.audiences.update(deployment.services.settings.url, {"signing_alg": "PS256"})
    deployment.wait(ANNOUNCED + KEY_RETENTION)


@pytest.mark.usefixtures("alone")
def test_the_old_keys_are_published_until_their_last_token_has_expired(
    deployment: Deployment, change: Change
):
    change("ES256")
    deployment.wait(ANNOUNCED + MAX_TOKEN)
    assert published(deployment) == {"RS256", "ES256", "PS256"}
    deployment.wait(KEY_RETENTION - MAX_TOKEN)
    assert published(deployment) == {"ES256", "PS256"}


@pytest.mark.usefixtures("alone")
def test_the_key_set_is_not_cached_longer_than_the_old_keys_are_published(
    deployment: Deployment, change: Change
):
    change("ES256")
    deployment.wait(ANNOUNCED + KEY_RETENTION - timedelta(seconds=20))
    answer = deployment.http.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=20"


def test_a_change_can_be_cancelled_before_it_happens(
    deployment: Deployment, token_endpoint: TokenDriver, change: Change
):
    change("ES256")
    change("RS256")
    assert published(deployment) == {"RS256"}
    deployment.wait(ANNOUNCED)
    assert signs_with(deployment, token_endpoint) == "RS256"


def test_changing_back_to_the_previous_algorithm_takes_effect_at_once(
    deployment: Deployment, token_endpoint: TokenDriver, change: Change
):
    """Verifiers still have the keys of the previous algorithm."""
    change("ES256")
    deployment.wait(ANNOUNCED)
    token = token_endpoint.client_credentials(deployment.client())
    change("RS256")
    assert signs_with(deployment, token_endpoint) == "RS256"
    assert token_endpoint.read(token)[0]["alg"] == "ES256"


def test_a_third_algorithm_has_to_wait(deployment: Deployment, change: Change):
    change("ES256")
    with pytest.raises(NotAllowed, match="RS256 to ES256 until 2026-"):
        change("PS256")
    deployment.wait(ANNOUNCED + KEY_RETENTION)
    change("PS256")


def test_a_new_audience_signs_with_its_algorithm_at_once(
    deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.audience("other", signing_alg="ES256")
    client = deployment.client(audiences=["other"])
    assert token_endpoint.read(token_endpoint.client_credentials(client))[0]["alg"] == "ES256"


CHANGES = st.lists(
    st.tuples(st.sampled_from(SigningAlgorithm), st.integers(min_value=0, max_value=72 * 3600)),
    max_size=30,
)


@given(CHANGES)
def test_every_signing_algorithm_is_published_before_it_signs_and_until_its_tokens_expire(
    more_settings: dict[str, str], changes: list[tuple[SigningAlgorithm, int]]
):
    """An algorithm signs only after its keys have been published for `announce_for`."""
    now = FakeClock().now
    state = AlgorithmInUse(SigningAlgorithm.RS256)
    known_since = {SigningAlgorithm.RS256: now - ANNOUNCED}
    signed_at = {SigningAlgorithm.RS256: now}
    for alg, seconds in changes:
        with suppress(NotAllowed):
            state = state.changed_to(alg, now, ANNOUNCED)
        for hours in range(0, seconds + 1, 3600):
            at = now + timedelta(seconds=hours)
            out = state.published(at)
            known_since = {each: known_since.get(each, at) for each in out}
            signing = state.at(at)
            assert at - known_since[signing] >= ANNOUNCED - timedelta(hours=1)
            signed_at[signing] = at
            assert all(each in out for each, last in signed_at.items() if at - last < MAX_TOKEN)
        now += timedelta(seconds=seconds)
