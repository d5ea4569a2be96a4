"""Changed settings never shorten the announcement under the old ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from issuer.composition import Composition, compose
from issuer.errors import NotYet
from issuer.keys.schedule import next_key
from issuer.provisioning.setup import initialise
from issuer.vocabulary import SigningAlgorithm
from tests.builders import OPERATOR, FakeClock, settings_for

LONG = {"jwks_max_age": "2h", "jwks_max_stale": "1h", "key_announce_for": "24h"}
SHORT = {
    "jwks_max_age": "1s",
    "jwks_max_stale": "0s",
    "key_announce_for": "60s",
    "key_sign_for": "60s",
}


@pytest.fixture
def serving(tmp_path: Path, migrated_database_url: str, clock: FakeClock):
    """A server that starts with these settings, and stops."""

    @contextmanager
    def serving(settings: dict[str, str]) -> Iterator[Composition]:
        chosen = settings_for(tmp_path / "data", migrated_database_url, **settings)
        initialise(chosen, OPERATOR, clock)
        services = compose(chosen, clock)
        services.background.start()
        try:
            yield services
        finally:
            services.background.stop()

    return serving


def ready_at(services: Composition):
    services.keys.keyring.reconcile()
    key = next_key(services.keys.keyring.keys, SigningAlgorithm.ES256, services.clock())
    assert key is not None
    return key.ready_at


def test_the_next_key_keeps_its_dates_under_other_settings(serving, clock: FakeClock):
    with serving(LONG) as services:
        promised = services.keys.keyring.keys
    with serving(SHORT) as services:
        assert services.keys.keyring.keys == promised
        with pytest.raises(NotYet), services.administration.changing_keys(OPERATOR) as work:
            work.keys.rotate(SigningAlgorithm.ES256)


def test_a_next_key_waits_until_cached_key_sets_of_earlier_settings_expire(
    serving, clock: FakeClock
):
    with serving(LONG) as services:
        first = services.keys.keyring.keys
    clock.move(timedelta(days=30))  # the next key becomes active
    began = clock.now
    with serving(SHORT) as services:
        assert len(services.keys.keyring.keys) == len(first) + 1
        assert ready_at(services) == began + timedelta(hours=3, seconds=2)  # whatever clocks
    with serving(SHORT) as services:  # again: nothing more is promised
        clock.move(timedelta(hours=4))
        now = clock.now
        assert ready_at(services) == now + timedelta(seconds=62)


def test_longer_settings_apply_at_once(serving, clock: FakeClock):
    with serving(SHORT):
        pass
    clock.move(timedelta(minutes=2))
    now = clock.now
    with serving(LONG) as services:
        assert ready_at(services) == now + timedelta(hours=24, seconds=61)
