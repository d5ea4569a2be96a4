"""Two servers keep their keys in one folder, and make the next one at the same time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from issuer.composition import Composition, compose
from issuer.keys.schedule import KeyState, state_at
from tests.builders import FakeClock, initialised, settings_for

ROTATIONS = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def servers(
    tmp_path: Path, folder: Path, migrated_database_url: str, clock: FakeClock
) -> Iterator[list[Composition]]:
    settings = settings_for(tmp_path / "data", migrated_database_url, key_folder=str(folder))
    initialised(settings, clock)
    with ExitStack() as stack:
        servers = [compose(settings, clock) for _ in range(2)]
        for each in servers:
            stack.callback(each.database.dispose)
            each.keys.keyring.reload()
        yield servers


def test_they_agree_on_one_key(servers: list[Composition], folder: Path, clock: FakeClock):
    """The key of the losing process is used next; files of destroyed keys are deleted."""
    for _ in range(ROTATIONS):
        clock.move(timedelta(days=33))
        at_once(servers)
        for each in servers:
            each.keys.keyring.reload()
        one, other = (each.keys.keyring.keys for each in servers)
        assert one == other
        states = [state_at(one, key, clock.now) for key in one]
        assert (states.count(KeyState.ACTIVE), states.count(KeyState.ANNOUNCED)) == (1, 1)
        usable = {f"{key.kid}.pem" for key in one if key.is_usable}
        files = {path.name for path in folder.iterdir()}
        assert usable <= files
        assert len(files - usable) <= 1


def at_once(servers: list[Composition]) -> None:
    ready = threading.Barrier(len(servers))

    def reconcile(services: Composition) -> None:
        ready.wait()
        services.keys.keyring.reconcile()

    with ThreadPoolExecutor(len(servers)) as pool:
        for done in [pool.submit(reconcile, each) for each in servers]:
            done.result()
