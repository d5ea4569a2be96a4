"""What tests of second factors share."""

import pytest

from tests.builders import Deployment, FakeClock
from tests.sign_in.people import People


@pytest.fixture
def people(deployment: Deployment, clock: FakeClock) -> People:
    return People(deployment, clock)
