"""A process that changes the keys may be killed before each of its durable steps.

A process killed at any other time has done as much as one killed before its next durable step.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from issuer.composition import Composition, compose
from issuer.keys import SigningKey
from issuer.keys.schedule import KeyState, active, state_at
from issuer.settings import Settings
from issuer.vocabulary import SigningAlgorithm
from tests.builders import OPERATOR, FakeClock, initialised, settings_for
from tests.killing import killed

ES256 = SigningAlgorithm.ES256


def by_itself(services: Composition) -> None:
    services.keys.keyring.reconcile()


def rotate(services: Composition) -> None:
    with services.administration.changing_keys(OPERATOR) as work:
        work.keys.rotate(ES256)


def revoke(services: Composition) -> None:
    with services.administration.changing_keys(OPERATOR) as work:
        work.keys.revoke(signing(services).kid)


def signing(services: Composition) -> SigningKey:
    key = active(services.keys.keyring.keys, ES256, services.clock())
    assert key is not None
    return key


SETTLED = timedelta(minutes=2)  # a process that has just started destroys nothing
MONTH, DAYS = timedelta(days=33), timedelta(days=2)  # long enough to destroy a retired key
MAKE = ["write", "rename", "commit"]
CHANGES = {
    "by itself": (by_itself, MONTH, [*MAKE, "remove"]),
    "rotate": (rotate, DAYS, ["commit", "remove", "commit", *MAKE]),
    "revoke": (revoke, DAYS, ["commit", "remove", *MAKE]),
}


class Installation:
    """Starts and stops processes on one data directory and database."""

    def __init__(self, settings: Settings, clock: FakeClock) -> None:
        self.settings = settings
        self.clock = clock

    @contextmanager
    def opened(self) -> Iterator[Composition]:
        services = compose(self.settings, self.clock)
        self.clock.move(SETTLED)
        try:
            yield services
        finally:
            services.database.dispose()

    def change(self, work: Callable[[Composition], None]) -> None:
        with self.opened() as services:
            work(services)

    def states(self, services: Composition) -> Counter[KeyState]:
        keys, now = services.keys.keyring.keys, self.clock()
        return Counter(state_at(keys, key, now) for key in keys)


@pytest.fixture(params=["sealed", "folder"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, migrated_database_url: str, clock: FakeClock
) -> Installation:
    folder = {"key_folder": str(tmp_path / "keys")} if request.param == "folder" else {}
    settings = settings_for(tmp_path / "data", migrated_database_url, **folder)
    initialised(settings, clock)
    return Installation(settings, clock)


@pytest.mark.parametrize("change", CHANGES)
def test_a_key_change_survives_sigkill_at_every_step(place: Installation, change: str):
    """Other processes keep signing, and the next start finishes the change."""
    work, pause, steps = CHANGES[change]
    if place.settings.key_folder is None:
        steps = [step for step in steps if step == "commit"]
    for step, expected in enumerate([*steps, None]):
        place.clock.move(pause)
        place.change(work)
        place.clock.move(pause)
        happened = killed(lambda: place.change(work), before=step, folder=place.settings.key_folder)
        assert happened == expected
        with place.opened() as other:
            other.keys.keyring.reload()
            assert_signs(place, other)
        with place.opened() as next_one:
            next_one.background.start()
            next_one.background.stop()
            assert_in_order(place, next_one)


def assert_signs(place: Installation, services: Composition) -> None:
    """Signs with one key, which is published."""
    assert place.states(services)[KeyState.ACTIVE] == 1
    token = services.keys.keyring.sign(ES256, "JWT", {"sub": "alice"}).token
    published = KeySet.import_key_set(json.loads(services.keys.keyring.jwks.body))
    assert jwt.decode(token, published, algorithms=["ES256"]).claims["sub"] == "alice"


def assert_in_order(place: Installation, services: Composition) -> None:
    """There is an active key and a next key; every file is that of a usable key."""
    assert_signs(place, services)
    assert place.states(services)[KeyState.ANNOUNCED] == 1
    assert services.keys.keyring.is_in_order()
    if folder := place.settings.key_folder:
        usable = {f"{key.kid}.pem" for key in services.keys.keyring.keys if key.is_usable}
        assert {path.name for path in folder.iterdir()} == usable
