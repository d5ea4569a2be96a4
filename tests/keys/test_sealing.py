"""Encryption of private keys at rest."""

import base64
import secrets
from pathlib import Path
from random import Random

import pytest

from issuer.errors import ConfigurationError
from issuer.keys.sealing import (
    SealedTexts,
    Sealer,
    new_master_key,
    read_master_key_file,
    read_master_keys,
)
from tests.owners import give_to_another_user
from tests.rows import rows


def sealer(*keys: bytes) -> Sealer:
    held = keys or (secrets.token_bytes(32),)
    return Sealer(lambda: held, secrets.token_bytes)


def test_a_box_opens_under_the_name_it_was_sealed_with():
    ours = sealer()
    assert ours.open(ours.seal(b"private", "kid-1", ours.newest), "kid-1") == b"private"


@rows("change", ["name", "key", "content"])
def test_a_box_opens_under_nothing_else(change: str):
    """A box moved to another row or another issuer, or altered."""
    ours = sealer()
    box = ours.seal(b"private", "kid-1", ours.newest)
    if change == "content":
        box = box[:-1] + bytes([box[-1] ^ 1])
    with pytest.raises(ConfigurationError, match="master key"):
        (sealer() if change == "key" else ours).open(box, "other" if change == "name" else "kid-1")


def test_what_earlier_versions_sealed_opens():
    key = bytes(range(32))
    box = base64.b64decode(
        "Yw3NKXOpvvSZu/Tce9Kk8uSf2boMuTGSzBt8LrwL+n6yF0ts5wRHhp8+5Nc9X3uO+kjuaA=="
    )
    assert Sealer(lambda: [key], secrets.token_bytes).open(box, "a name") == b"kept in the database"
    text = "9bFlIkpYt5HfavHYPVJSf4U1VCf6NHqiLhYjBo5JNxLC0OaEQSOaLBSXd-16WcA4HQcLaaY"
    assert SealedTexts(key, Random(1)).open(text) == "kept by a browser"


def test_two_boxes_of_one_content_differ():
    ours = sealer()
    first, second = (ours.seal(b"private", "kid", ours.newest) for _ in range(2))
    assert first != second


def test_the_text_of_a_master_key_reads_back():
    text = new_master_key(secrets.token_bytes)
    assert len(text) == 43
    (key,) = read_master_keys(text + "\n")
    assert len(key) == 32


@rows("text", ["", "short", "x" * 44, "ä" * 43, "!" * 43, "A" * 42])
def test_a_malformed_master_key_is_refused(text: str):
    with pytest.raises(ConfigurationError, match="ISSUER_MASTER_KEY"):
        read_master_keys(text)


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path):
    path = tmp_path / "master.key"
    path.write_text(new_master_key(secrets.token_bytes))
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_master_key_file(path)
    path.chmod(0o600)
    assert read_master_key_file(path)


def test_a_key_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "master.key"
    path.write_text(new_master_key(secrets.token_bytes))
    path.chmod(0o600)
    give_to_another_user(path, monkeypatch)
    with pytest.raises(ConfigurationError, match="chown"):
        read_master_key_file(path)
