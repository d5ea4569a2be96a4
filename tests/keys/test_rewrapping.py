"""Changing the master key (`issuer key rewrap`): at every moment one of the keys opens."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from issuer.composition import Composition, compose
from issuer.errors import ConfigurationError
from issuer.keys.schedule import active
from issuer.keys.sealed_secrets_store import current_mark
from issuer.keys.sealing import master_key_id, new_master_key, read_master_keys
from issuer.keys.store import KeyStore
from issuer.provisioning.setup import change_master_key
from issuer.settings import Settings
from issuer.vocabulary import SigningAlgorithm
from tests.builders import OPERATOR, FakeClock, initialised, settings_for
from tests.killing import killed
from tests.rows import rows

ES256 = SigningAlgorithm.ES256
OTHER, OLD, NEW = (new_master_key(secrets.token_bytes) for _ in range(3))
MANY = " ".join(new_master_key(secrets.token_bytes) for _ in range(17))
SEALED_ALREADY = (
    "Everything is sealed with the first key of ISSUER_MASTER_KEY already:"
    " to change it, put a new one before it."
)
MALFORMED = (
    "ISSUER_MASTER_KEY must be 32 bytes as base64: copy the whole key. For a new issuer,"
    " `issuer key generate-master` prints one."
)
WRONG = (
    "The master key is not the one that encrypts the keys in this database: use that of your"
    " backup, or name the database of this key."
)


class SealedInstallation:
    """The data directory and the database of an issuer."""

    def __init__(self, data_dir: Path, database_url: str, clock: FakeClock) -> None:
        self.data_dir = data_dir
        self.file = data_dir / "master.key"
        self._database_url = database_url
        self._clock = clock

    def settings(self, master_key: str | None = None) -> Settings:
        """With the master key in the file unless passed."""
        more = {"master_key": master_key} if master_key else {}
        return settings_for(self.data_dir, self._database_url, **more)

    @contextmanager
    def opened(self, master_key: str | None = None) -> Iterator[Composition]:
        """The parts of a process that starts."""
        services = compose(self.settings(master_key), self._clock)
        try:
            services.keys.keyring.reload()
            services.keys.keyring.require_loaded()
            yield services
        finally:
            services.database.dispose()

    def rewrap(self, master_key: str | None = None) -> int:
        keys, _file = change_master_key(self.settings(master_key), OPERATOR)
        return keys

    def assert_opens(self, master_key: str) -> None:
        with self.opened(master_key):
            pass

    def assert_refuses(self, master_key: str) -> None:
        with pytest.raises(ConfigurationError, match=WRONG), self.opened(master_key):
            pass


@pytest.fixture
def place(tmp_path: Path, migrated_database_url: str, clock: FakeClock) -> SealedInstallation:
    return SealedInstallation(tmp_path / "data", migrated_database_url, clock)


@pytest.fixture
def in_file(place: SealedInstallation, clock: FakeClock) -> SealedInstallation:
    initialised(place.settings(), clock)
    return place


@pytest.fixture
def in_environment(place: SealedInstallation, clock: FakeClock) -> SealedInstallation:
    initialised(place.settings(OLD), clock)
    return place


def assert_goes_on(services: Composition) -> None:
    """It signs, and seals a new key so that a process that starts can open it."""
    services.keys.keyring.reconcile()
    assert services.keys.keyring.sign(ES256, "JWT", {})
    with services.administration.changing_keys(OPERATOR) as work:
        key = active(work.keys.all(), ES256, services.clock())
        assert key is not None
        work.keys.revoke(key.kid)
    assert services.keys.keyring.sign(ES256, "JWT", {})


def marks(services: Composition) -> set[bytes]:
    """Of the master keys that something is sealed under."""
    with services.database.reading() as session:
        boxes = KeyStore(session).stored().handles.values()
        return {current_mark(session), *map(master_key_id, boxes)}


def test_the_file_holds_a_new_key_and_the_old_key_opens_nothing(in_file: SealedInstallation):
    old = in_file.file.read_text().strip()
    with in_file.opened() as running:
        before = marks(running)
        assert in_file.rewrap() == 2
        assert len(marks(running)) == 1
        assert not marks(running) & before
        assert_goes_on(running)
    new = in_file.file.read_text().strip()
    assert new != old
    assert len(read_master_keys(new)) == 1
    assert in_file.file.stat().st_mode & 0o777 == 0o600
    in_file.assert_refuses(old)
    in_file.assert_opens(new)


def test_a_link_to_the_file_stays_a_link(in_file: SealedInstallation, tmp_path: Path):
    elsewhere = in_file.file.rename(tmp_path / "kept-elsewhere.key")
    in_file.file.symlink_to(elsewhere)
    in_file.rewrap()
    assert in_file.file.readlink() == elsewhere
    in_file.assert_opens(elsewhere.read_text())


def test_a_file_that_cannot_be_written_is_a_configuration_error(in_file: SealedInstallation):
    before = in_file.file.read_text()
    (in_file.data_dir / "master.partial").mkdir()
    with pytest.raises(ConfigurationError, match=f"{in_file.file} cannot be written: "):
        in_file.rewrap()
    in_file.assert_opens(before)


def test_keys_in_a_folder_are_under_no_master_key(
    tmp_path: Path, migrated_database_url: str, clock: FakeClock
):
    """The secrets of the issuer are."""
    folder = {"key_folder": str(tmp_path / "keys")}
    settings = settings_for(tmp_path / "data", migrated_database_url, **folder)
    initialised(settings, clock)
    old = (tmp_path / "data" / "master.key").read_text()
    assert change_master_key(settings, OPERATOR)[0] == 0
    compose(settings, clock).database.dispose()
    under_the_old = settings_for(
        tmp_path / "data", migrated_database_url, master_key=old.strip(), **folder
    )
    with pytest.raises(ConfigurationError, match=WRONG):
        compose(under_the_old, clock)


def test_from_the_environment_both_open_until_the_old_one_is_removed(
    in_environment: SealedInstallation,
):
    with in_environment.opened(f"{OLD} {NEW}") as running:
        in_environment.assert_refuses(NEW)
        assert in_environment.rewrap(f"{NEW} {OLD}") == 2
        assert_goes_on(running)
        with pytest.raises(ConfigurationError, match="sealed with the first key"):
            in_environment.rewrap(f"{NEW} {OLD}")  # already done
    in_environment.assert_refuses(OLD)
    with in_environment.opened(NEW) as restarted:
        assert_goes_on(restarted)
    assert not in_environment.file.exists()


def test_a_server_without_the_new_key_keeps_signing_but_cannot_seal(
    in_environment: SealedInstallation,
):
    with in_environment.opened(OLD) as outdated:
        in_environment.rewrap(f"{NEW} {OLD}")
        outdated.keys.keyring.reload()
        assert outdated.keys.keyring.sign(ES256, "JWT", {})
        kid = outdated.keys.keyring.active(ES256).kid
        with (
            pytest.raises(ConfigurationError, match=WRONG),
            outdated.administration.changing_keys(OPERATOR) as work,
        ):
            work.keys.revoke(kid)
    with in_environment.opened(NEW) as restarted:
        assert_goes_on(restarted)


@rows(
    ("master_key", "sentence"),
    {
        "only the old": (
            OLD,
            "ISSUER_MASTER_KEY holds only one master key: put the new one before it.",
        ),
        "the old twice": (f"{OLD} {OLD}", SEALED_ALREADY),
        "the old first": (f"{OLD} {NEW}", SEALED_ALREADY),
        "others": (f"{NEW} {OTHER}", WRONG),
        "malformed": (f"{NEW} short", MALFORMED),
        "too many": (MANY, "ISSUER_MASTER_KEY must hold 1 to 16 master keys."),
    },
)
def test_without_a_new_first_key_nothing_is_changed(
    in_environment: SealedInstallation, master_key: str, sentence: str
):
    with pytest.raises(ConfigurationError) as refused:
        in_environment.rewrap(master_key)
    assert str(refused.value) == sentence
    with in_environment.opened(OLD) as services:
        assert_goes_on(services)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(in_file: SealedInstallation, mode: int):
    in_file.file.chmod(mode)
    before = in_file.file.read_bytes()
    for refused in (in_file.rewrap, lambda: initialised(in_file.settings(), FakeClock())):
        with pytest.raises(ConfigurationError, match=r"can be read by others: chmod 600 it\."):
            refused()
    assert in_file.file.read_bytes() == before


STEPS = ["write", "rename", "commit", "write", "rename"]


@pytest.mark.parametrize("step", range(len(STEPS)), ids=lambda step: f"{step} {STEPS[step]}")
def test_it_survives_sigkill_at_every_step(in_file: SealedInstallation, step: int):
    """A running server keeps working, another one starts, and a second attempt succeeds."""
    old = in_file.file.read_text().strip()
    with in_file.opened() as running:
        folder = in_file.data_dir
        assert killed(in_file.rewrap, before=step, folder=folder) == STEPS[step]
        assert_goes_on(running)
        with in_file.opened() as restarted:
            assert_goes_on(restarted)
        in_file.rewrap()
        assert_goes_on(running)
        assert len(marks(running)) == 1
    new = in_file.file.read_text().strip()
    assert len(read_master_keys(new)) == 1
    in_file.assert_refuses(old)
    in_file.assert_opens(new)
    assert not list(in_file.data_dir.glob("*.partial"))


def test_from_the_environment_it_survives_sigkill(in_environment: SealedInstallation):
    """There is one step: everything is sealed under either the old key or the new one."""
    keys = f"{NEW} {OLD}"
    assert killed(lambda: in_environment.rewrap(keys), before=0) == "commit"
    in_environment.assert_refuses(NEW)
    with in_environment.opened(keys) as restarted:
        assert_goes_on(restarted)
    assert killed(lambda: in_environment.rewrap(keys), before=1) is None
    in_environment.assert_refuses(OLD)
