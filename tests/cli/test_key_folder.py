"""`ISSUER_KEY_FOLDER`, on the command line."""

import stat
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from tests.cli.driver import Cli


@pytest.fixture
def database_kind() -> str:
    """Keys in files are the same on both."""
    return "sqlite"


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return {**environment, "ISSUER_KEY_FOLDER": str(tmp_path / "outside" / "keys")}


@pytest.fixture
def cli(new_cli: Cli, migrated_database_url: str) -> Cli:
    """After `init` with the key folder."""
    cli = new_cli.with_environment(ISSUER_DATABASE_URL=migrated_database_url)
    cli.done("init")
    return cli


@pytest.fixture
def folder(environment: dict[str, str]) -> Path:
    return Path(environment["ISSUER_KEY_FOLDER"])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def kids(cli: Cli) -> set[str]:
    """Of keys that are not destroyed."""
    items = cli.json("key", "list")["items"]
    return {key["kid"] for key in items if key["state"] != "destroyed"}


def put(folder: Path, name: str) -> str:
    """A key that is managed outside; returns its kid."""
    key = ECKey.generate_key("P-256", private=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / name).touch(0o600)
    (folder / name).write_bytes(key.as_pem(private=True))
    return key.thumbprint()


def test_init_creates_it_with_its_files_for_the_owner_alone(cli: Cli, folder: Path):
    assert mode(folder) == 0o700
    assert {path.stem: mode(path) for path in folder.iterdir()} == dict.fromkeys(kids(cli), 0o600)


def test_init_uses_what_is_there_and_leaves_the_folder_as_it_is(new_cli: Cli, folder: Path):
    theirs = {put(folder, "1.pem"), put(folder, "2.pem")}
    folder.chmod(0o755)
    new_cli.done("init")
    assert kids(new_cli) == theirs
    assert mode(folder) == 0o755


def test_init_refuses_what_is_no_folder(new_cli: Cli, folder: Path):
    folder.parent.mkdir()
    folder.touch()
    assert new_cli("init").sentence.startswith("ISSUER_KEY_FOLDER cannot be used:")


def test_a_revoked_key_loses_its_file_and_the_next_that_was_put_there_is_used(
    cli: Cli, folder: Path
):
    theirs, revoked = put(folder, "next.pem"), active(cli)
    cli.done("key", "revoke", revoked)
    assert theirs in kids(cli)
    assert {path.stem for path in folder.iterdir()} == {*kids(cli) - {theirs}, "next"}


def active(cli: Cli) -> str:
    items = cli.json("key", "list")["items"]
    return next(str(key["kid"]) for key in items if key["state"] == "active")


@pytest.mark.parametrize("what", ["folder", "file", "mode", "setting"])
def test_a_server_does_not_start_without_its_keys(cli: Cli, folder: Path, what: str):
    path = folder / f"{active(cli)}.pem"
    match what:
        case "folder":
            folder.rename(folder.with_name("away"))
            expected = f"There is no key file {folder}/"
        case "file":
            path.unlink()
            expected = f"There is no key file {path}."
        case "mode":
            path.chmod(0o644)
            expected = f"{path} can be read by others: chmod 600 it."
        case _:
            cli = cli.with_environment(ISSUER_KEY_FOLDER=None)
            expected = "is in a key folder: set ISSUER_KEY_FOLDER."
    refused = cli("serve")
    assert (refused.status, refused.out) == (1, "")
    assert expected in refused.err.splitlines()[-1]


def test_without_its_folder_no_key_is_created_elsewhere(cli: Cli, folder: Path):
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    refused = cli.with_environment(ISSUER_SIGNING_ALGORITHMS="EdDSA,ES256")("serve")
    assert f"ISSUER_KEY_FOLDER {folder} does not exist" in refused.err.splitlines()[-1]


def test_keys_sealed_before_go_on_and_the_next_is_in_the_folder(new_cli: Cli, folder: Path):
    sealed = new_cli.with_environment(ISSUER_KEY_FOLDER=None)
    sealed.done("init")
    before = kids(sealed)
    new_cli.done("init")
    assert list(folder.iterdir()) == []
    new_cli.done("key", "revoke", active(new_cli))
    (fresh,) = kids(new_cli) - before
    assert [path.stem for path in folder.iterdir()] == [fresh]


def findings(cli: Cli) -> dict[str, tuple[str, str]]:
    items = cli("doctor", "--json").items
    return {each["check"]: (each["verdict"], each["message"]) for each in items}


def test_doctor_checks_the_folder(cli: Cli, folder: Path):
    assert findings(cli)["key folder"] == ("ok", f"Keys are stored in {folder}.")
    put(folder, "next.pem")
    (folder / "next.pem").chmod(0o640)
    assert findings(cli)["key file"] == (
        "warning",
        f"{folder}/next.pem can be read by others: chmod 600 it.",
    )
    folder.chmod(0o777)
    assert findings(cli)["key folder"] == (
        "problem",
        f"Other users can change {folder}: chmod go-w it.",
    )
    folder.chmod(0o1777)  # as secrets are mounted: only owners rename or remove
    assert findings(cli)["key folder"][0] == "ok"
    folder.rename(folder.with_name("away"))
    assert findings(cli)["key folder"] == (
        "problem",
        f"ISSUER_KEY_FOLDER {folder} does not exist: run `issuer init`, or mount it.",
    )
