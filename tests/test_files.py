"""Files that are secret, or that decide what is trusted, are opened once and checked."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from issuer.errors import ConfigurationError
from issuer.files import LARGEST, new_private_file, read_trusted
from tests.owners import give_to_another_user


def put(path: Path, content: bytes = b"secret", mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "is not a regular file"),
    "a folder": (Path.mkdir, "is not a regular file"),
    "an endless device": (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    "the group can write it": (lambda path: put(path, mode=0o620), "chmod go-w"),
    "others can write it": (lambda path: put(path, mode=0o602), "chmod go-w"),
    "too large": (lambda path: put(path, b"x" * (LARGEST + 1)), "is larger than 65536 bytes"),
}


@pytest.mark.parametrize(("make", "sentence"), REFUSED.values(), ids=REFUSED)
def test_an_unsafe_file_is_refused(tmp_path: Path, make: Callable[[Path], object], sentence: str):
    make(tmp_path / "file")
    with pytest.raises(ConfigurationError, match=sentence):
        read_trusted(tmp_path / "file")


def test_a_file_of_another_user_is_refused_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = put(tmp_path / "file")
    give_to_another_user(path, monkeypatch)
    with pytest.raises(ConfigurationError, match="run it as the owner of the file, or chown"):
        read_trusted(path)


def test_a_file_that_others_can_read_is_not_private(tmp_path: Path):
    path = put(tmp_path / "file", mode=0o640)
    assert read_trusted(path) == b"secret"
    with pytest.raises(ConfigurationError, match="can be read by others: chmod 600 it"):
        read_trusted(path, private=True)


def test_a_mounted_file_of_root_is_private_though_others_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As a container gets secrets: for every user in it, or with `fsGroup` for its group."""
    of_root = Path("/etc/passwd")
    with pytest.raises(ConfigurationError, match="can be read by others"):
        read_trusted(of_root, private=True)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY | 1024))
    assert read_trusted(of_root, private=True) == of_root.read_bytes()
    ours = put(tmp_path / "file", mode=0o640)
    give_to_another_user(ours, monkeypatch)
    with pytest.raises(ConfigurationError, match="can be read by others"):
        read_trusted(ours, private=True)


def test_a_secret_may_be_a_link_as_kubernetes_mounts_it(tmp_path: Path):
    (tmp_path / "..2026").mkdir()
    put(tmp_path / "..2026" / "key", mode=0o444)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "key").symlink_to("..data/key")
    assert read_trusted(tmp_path / "key") == b"secret"


def test_replacing_a_file_after_it_was_opened_has_no_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path, theirs = put(tmp_path / "file"), put(tmp_path / "theirs", b"theirs", mode=0o666)
    system_open = os.open

    def open_and_exchange(*arguments: Any) -> int:
        descriptor = system_open(*arguments)
        theirs.replace(path)
        return descriptor

    monkeypatch.setattr(os, "open", open_and_exchange)
    assert read_trusted(path) == b"secret"
    monkeypatch.undo()
    with pytest.raises(ConfigurationError):
        read_trusted(path)


def test_a_new_file_deletes_what_a_kill_has_left_of_others_in_its_folder(tmp_path: Path):
    """As of backups whose names have a date. What is being written stays, and what others made."""
    left = put(tmp_path / ".2026-11-30.age.0123456789abcdef.partial")
    empty = put(tmp_path / ".2026-12-01.age.0123456789abcdef.partial", b"")
    written = put(tmp_path / ".2026-12-02.age.0123456789abcdef.partial")
    others = put(tmp_path / ".download.partial")
    with written.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with new_private_file(tmp_path / "new", force=False) as (file, _):
            file.write(b"new")
    assert not left.exists()
    assert {*tmp_path.iterdir()} == {empty, written, others, tmp_path / "new"}
