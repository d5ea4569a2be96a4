"""Two servers keep their keys in one folder, and make the next one at the same time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from issuer.keys import KeyState
from issuer.keys.schedule import state_at
from issuer.services import Services, build_services
from tests.builders import FakeClock, initialised, settings_for

ROTATIONS = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def servers(
    tmp_path: Path, folder: Path, migrated_database_url: str, clock: FakeClock
) -> Iterator[list[Services]]:
    settings = settings_for(tmp_path / "data", migrated_database_url, key_folder=str(folder))
    initialised(settings, clock)
    with ExitStack() as stack:
        servers = [build_services(settings, clock) for _ in range(2)]
        for each in servers:
            stack.callback(each.database.dispose)
            each.keyring.reload()
        yield servers


def test_they_agree_on_one_key(servers: list[Services], folder: Path, clock: FakeClock):
    """What the loser has made is the next; the files of dead keys are gone."""
    for _ in range(ROTATIONS):
        clock.move(timedelta(days=33))
        at_once(servers)
        for each in servers:
            each.keyring.reload()
        one, other = (each.keyring.keys for each in servers)
        assert one == other
        states = [state_at(one, key, clock.now) for key in one]
        assert (states.count(KeyState.ACTIVE), states.count(KeyState.ANNOUNCED)) == (1, 1)
        usable = {f"{key.kid}.pem" for key in one if key.is_usable}
        files = {path.name for path in folder.iterdir()}
        assert usable <= files
        assert len(files - usable) <= 1


def at_once(servers: list[Services]) -> None:
    ready = threading.Barrier(len(servers))

    def put_in_order(services: Services) -> None:
        ready.wait()
        services.keyring.put_in_order()

    with ThreadPoolExecutor(len(servers)) as pool:
        for done in [pool.submit(put_in_order, each) for each in servers]:
            done.result()
