"""Those who keep keys in a folder may be late with the next one."""

from datetime import timedelta
from pathlib import Path

import pytest

from issuer.errors import ConfigurationError
from issuer.keys.rotator import TRY_AGAIN_AFTER
from issuer.keys.schedule import next_key
from issuer.vocabulary import SigningAlgorithm
from tests.builders import Deployment
from tests.drivers import TokenEndpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def more_settings(folder: Path) -> dict[str, str]:
    return {"key_folder": str(folder)}


@pytest.fixture
def late(deployment: Deployment, folder: Path) -> Deployment:
    """The reserve signs by now, and the folder is not there for the next one."""
    deployment.services.keys.rotator.stop()  # a test looks itself
    folder.rename(folder.with_name("away"))
    with pytest.raises(ConfigurationError, match="is not there"):
        deployment.wait(timedelta(days=31))
    return deployment


def has_reserve(deployment: Deployment) -> bool:
    keys, now = deployment.services.keys.keyring.keys, deployment.services.clock()
    return next_key(keys, SigningAlgorithm.ES256, now) is not None


def test_the_house_goes_on(late: Deployment, token_endpoint: TokenEndpoint):
    token_endpoint.read(token_endpoint.client_credentials(late.client()))


def test_it_is_asked_for_again_after_a_while(late: Deployment, folder: Path):
    """Not each time the rotator looks: the log would fill."""
    late.wait(TRY_AGAIN_AFTER - timedelta(seconds=1))
    with pytest.raises(ConfigurationError, match="is not there"):
        late.wait(timedelta(seconds=1))
    folder.with_name("away").rename(folder)
    late.wait(TRY_AGAIN_AFTER - timedelta(seconds=1))
    assert not has_reserve(late)
    late.wait(timedelta(seconds=1))
    assert has_reserve(late)
