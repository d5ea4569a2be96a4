"""Stock AgentOS servers of the releases we start, shared by the whole session."""

from collections.abc import Iterator

import pytest

from tests.agentos.releases import SERVER_RELEASES, AgnoRelease
from tests.agentos.running import AgentOSServer, running_agent_os
from tests.agentos.tokens import Tokens


@pytest.fixture(scope="session", params=SERVER_RELEASES, ids=str)
def release(request: pytest.FixtureRequest) -> AgnoRelease:
    return request.param


AS_TEXT = pytest.param("verification_keys", marks=pytest.mark.slow)


@pytest.fixture(scope="session", params=["jwks_file", AS_TEXT])
def keys_given_as(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def tokens() -> Tokens:
    """Issues the tokens and publishes the key. Override it to test another issuer."""
    return Tokens()


@pytest.fixture(scope="session")
def agent_os(
    release: AgnoRelease,
    keys_given_as: str,
    tokens: Tokens,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AgentOSServer]:
    """A server that trusts the key of `tokens`: agents `web` and `billing`, audience `my-os`.

    One for each release and way of configuring the key; pytest orders the tests so that each
    starts once.
    """
    workdir = tmp_path_factory.mktemp(str(release))
    keys = tokens.given_as(keys_given_as, workdir)
    with running_agent_os(release, workdir, algorithm=tokens.algorithm, **keys) as server:
        yield server
