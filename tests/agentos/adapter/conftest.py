"""AgentOS servers with the adapter: for each release one process, with all configurations."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.agentos.adapter.adapted import (
    AdaptedApp,
    Apps,
    everyday_apps,
    fill_cache,
    other_apps,
    running_apps,
)
from tests.agentos.adapter.fake_issuer import FakeIssuer
from tests.agentos.releases import AGNO_2_7, AGNO_2_9, AGNO_3_0, AGNO_3_1, AgnoRelease
from tests.agentos.tokens import Tokens

RELEASES = (
    AGNO_2_7,
    pytest.param(AGNO_2_9, marks=pytest.mark.slow),
    pytest.param(AGNO_3_0, marks=pytest.mark.slow),
    AGNO_3_1,
)


@pytest.fixture(scope="session", params=RELEASES, ids=str)
def adapted_release(request: pytest.FixtureRequest) -> AgnoRelease:
    return request.param


@pytest.fixture(scope="session")
def control_plane() -> Tokens:
    """Another issuer, trusted by a static key."""
    return Tokens(issuer="https://os.example")


@pytest.fixture(scope="session")
def apps(adapted_release: AgnoRelease, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apps]:
    """The everyday ones. The issuers `down` and `cached` stopped before these started."""
    workdir = tmp_path_factory.mktemp(f"adapted-{adapted_release}")
    cache_file = workdir / "key-set.json"
    with ExitStack() as stack:
        settings = everyday_apps(stack, cache_file)
        others = settings["of_many_issuers"].others
        fill_cache(cache_file, others["cached"])
        for name in ("down", "cached"):
            others[name].stop()
        yield stack.enter_context(running_apps(adapted_release, workdir, settings))


@pytest.fixture(scope="session")
def configured(
    release: AgnoRelease, control_plane: Tokens, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Apps]:
    """The other configurations of an AgentOS, for the newest of 2 and of 3."""
    workdir = tmp_path_factory.mktemp(f"configured-{release}")
    with ExitStack() as stack:
        settings = other_apps(stack, control_plane, workdir)
        yield stack.enter_context(running_apps(release, workdir, settings))


@pytest.fixture
def app(apps: Apps) -> AdaptedApp:
    """The AgentOS of the README."""
    return apps["managed"]


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    """An issuer for this test only."""
    with FakeIssuer() as issuer:
        yield issuer
