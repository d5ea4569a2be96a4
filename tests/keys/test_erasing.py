"""Old sealed keys are in no file of SQLite after a key is destroyed or the master key changed."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from issuer.composition import Composition, compose
from issuer.keys.schedule import active
from issuer.keys.store import KeyStore
from issuer.provisioning.setup import change_master_key
from issuer.settings import Settings
from issuer.vocabulary import SigningAlgorithm
from tests.builders import OPERATOR, FakeClock, initialised, settings_for
from tests.captured_logs import capture_logs

ES256 = SigningAlgorithm.ES256


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def settings(tmp_path: Path, clock: FakeClock) -> Settings:
    """Of an issuer on SQLite in its data directory."""
    settings = settings_for(tmp_path / "data")
    initialised(settings, clock)
    return settings


@pytest.fixture
def services(settings: Settings, clock: FakeClock) -> Iterator[Composition]:
    """A running server: closing the last connection would empty the log."""
    services = compose(settings, clock)
    services.keys.keyring.reconcile()
    with services.database.reading() as session:
        KeyStore(session).stored()
    yield services
    services.database.dispose()


def boxes(services: Composition) -> set[bytes]:
    with services.database.reading() as session:
        return set(KeyStore(session).stored().handles.values())


def in_files(services: Composition) -> bytes:
    """The content of the database file and the files beside it."""
    path = Path(str(services.database.url.database))
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))


def signing(services: Composition) -> str:
    key = active(services.keys.keyring.keys, ES256, services.clock())
    assert key is not None
    return key.kid


def rewrap(services: Composition) -> None:
    change_master_key(services.settings, OPERATOR)


def revoke(services: Composition) -> None:
    with services.administration.changing_keys(OPERATOR) as work:
        work.keys.revoke(signing(services))


def destroy(services: Composition) -> None:
    """By rotation, after its retirement."""
    assert isinstance(services.clock, FakeClock)
    for _ in range(3):
        services.clock.move(timedelta(days=33))
        services.keys.keyring.reconcile()


CHANGES = [rewrap, revoke, destroy]
Change = Callable[[Composition], None]


@contextmanager
def reader(services: Composition) -> Iterator[None]:
    """A long read, as by a backup."""
    with closing(sqlite3.connect(str(services.database.url.database))) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM signing_keys").fetchone()
        yield


@pytest.mark.parametrize("change", CHANGES)
def test_old_boxes_are_in_no_file_afterwards(services: Composition, change: Change):
    before = boxes(services)
    assert all(box in in_files(services) for box in before)
    change(services)
    gone = before - boxes(services)
    assert gone
    assert not [box for box in gone if box in in_files(services)]


@pytest.mark.parametrize("change", CHANGES)
def test_a_reader_only_delays_the_erasure(services: Composition, change: Change):
    before = boxes(services)
    with reader(services), capture_logs() as logged:
        change(services)
    assert [each["log_level"] for each in logged if each["event"] == "old_rows_remain"]
    gone = before - boxes(services)
    assert gone
    services.keys.keyring.reload()  # as every server does when the keys have changed
    services.database.erasure.retry()
    assert not [box for box in gone if box in in_files(services)]


def test_a_start_erases_what_a_crash_left(services: Composition):
    """Killed between the commit and the checkpoint."""
    before = boxes(services)
    with services.administration.changing(OPERATOR) as work:
        work.keys.revoke(signing(services))
    gone = before - boxes(services)
    assert gone
    services.keys.keyring.cleanup()
    assert not [box for box in gone if box in in_files(services)]


def test_deleted_rows_are_overwritten_on_every_connection(services: Composition):
    """Whatever the build options of SQLite."""
    with services.database.engine.connect() as one, services.database.engine.connect() as other:
        for connection in (one, other):
            assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1
