"""The adapter configured by the environment, and in several worker processes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.agentos.adapter.adapted import AdaptedApp, AppSettings, running_apps
from tests.agentos.adapter.fake_issuer import KEY_SET, FakeIssuer
from tests.agentos.adapter.names import AUDIENCE
from tests.agentos.adapter.surfaces import REST, SURFACES, Reaction
from tests.agentos.releases import AgnoRelease

pytestmark = pytest.mark.slow

AT_ONCE = 8
REQUESTS = 24


@pytest.mark.parametrize("value", ["{issuer}#{audience}", "{issuer}{key_set}"], ids=["name", "url"])
def test_the_environment_may_configure_the_key_set(
    release: AgnoRelease, issuer: FakeIssuer, tmp_path: Path, value: str
) -> None:
    """`JWT_JWKS_FILE` is the value of `verifier.jwks_file`, or the URL of the key set."""
    jwks_file = value.format(issuer=issuer.url, audience=AUDIENCE, key_set=KEY_SET)
    settings = {"app": AppSettings("from_environment", issuer)}
    with running_apps(
        release, tmp_path, settings, environment={"JWT_JWKS_FILE": jwks_file}
    ) as apps:
        url = apps["app"].url
        for surface in SURFACES:
            assert surface.attempt(url, None) is Reaction.REFUSED, surface
            assert surface.attempt(url, issuer.issue([surface.scope])) is Reaction.ACCEPTED, surface
            foreign = issuer.issue([surface.scope], audience="your-os")
            assert surface.attempt(url, foreign) is Reaction.REFUSED, surface


def test_each_worker_process_polls_the_key_set(
    release: AgnoRelease, issuer: FakeIssuer, tmp_path: Path
) -> None:
    """`uvicorn --workers 2`."""
    issuer.max_age = 1
    settings = {"app": AppSettings("managed", issuer)}
    with running_apps(release, tmp_path, settings, workers=2) as apps:
        app, old = apps["app"], issuer.newest
        assert outcomes(app, old.issue([REST.scope])) == {Reaction.ACCEPTED}
        issuer.rotate()
        assert outcomes(app, issuer.issue([REST.scope])) == {Reaction.ACCEPTED}
        issuer.keys = [issuer.newest]
        issuer.wait_for_fetches(6)  # more than one by each worker
        assert outcomes(app, old.issue([REST.scope])) == {Reaction.REFUSED}
        assert outcomes(app, issuer.issue([REST.scope])) == {Reaction.ACCEPTED}


def outcomes(app: AdaptedApp, token: str) -> set[Reaction]:
    """The outcomes of the token on many new connections at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return set(pool.map(lambda _: REST.attempt(app.url, token), range(REQUESTS)))
