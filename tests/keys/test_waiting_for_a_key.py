"""A key folder without a next key does not stop the issuer."""

from datetime import timedelta
from pathlib import Path

import pytest

from issuer.errors import ConfigurationError
from issuer.keys.rotator import TRY_AGAIN_AFTER
from issuer.keys.schedule import next_key
from issuer.vocabulary import SigningAlgorithm
from tests.builders import Deployment
from tests.drivers import TokenDriver


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def more_settings(folder: Path) -> dict[str, str]:
    return {"key_folder": str(folder)}


@pytest.fixture
def late(deployment: Deployment, folder: Path) -> Deployment:
    """The second key is active, and the folder for the next one is missing."""
    deployment.services.keys.rotator.stop()  # the test runs it
    folder.rename(folder.with_name("away"))
    with pytest.raises(ConfigurationError, match="does not exist"):
        deployment.wait(timedelta(days=31))
    return deployment


def has_next_key(deployment: Deployment) -> bool:
    keys, now = deployment.services.keys.keyring.keys, deployment.services.clock()
    return next_key(keys, SigningAlgorithm.ES256, now) is not None


def test_tokens_are_issued_without_a_next_key(late: Deployment, token_endpoint: TokenDriver):
    token_endpoint.read(token_endpoint.client_credentials(late.client()))


def test_creating_the_next_key_is_tried_again_after_a_while(late: Deployment, folder: Path):
    """Not each time the rotator runs: each attempt logs a line."""
    late.wait(TRY_AGAIN_AFTER - timedelta(seconds=1))
    with pytest.raises(ConfigurationError, match="does not exist"):
        late.wait(timedelta(seconds=1))
    folder.with_name("away").rename(folder)
    late.wait(TRY_AGAIN_AFTER - timedelta(seconds=1))
    assert not has_next_key(late)
    late.wait(timedelta(seconds=1))
    assert has_next_key(late)
