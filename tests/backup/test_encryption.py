"""Encrypting archives with age."""

import base64
import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from issuer.backup.encryption import Encryption
from issuer.errors import IssuerError
from tests.rows import rows

CONTENT = b"0123456789abcdef" * 20_000


def private(file: Path, text: str) -> Path:
    file.touch(mode=0o600)
    file.write_text(text)
    return file


@pytest.fixture
def identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def identities(identity: pyrage.x25519.Identity, tmp_path: Path) -> Path:
    return private(tmp_path / "key.txt", f"# public key: …\n{identity}\n")


def encrypted(encryption: Encryption, content: bytes = CONTENT) -> bytes:
    file = io.BytesIO()
    encryption.encrypt([content[:10], b"", content[10:]], file)
    return file.getvalue()


def decrypted(encryption: Encryption, content: bytes) -> bytes:
    with encryption.decrypt(io.BufferedReader(io.BytesIO(content)), "the.backup") as opened:
        return opened.read()


def test_any_recipient_decrypts(identity: pyrage.x25519.Identity, identities: Path):
    other = pyrage.x25519.Identity.generate()
    archive = encrypted(Encryption.to([str(other.to_public()), str(identity.to_public())]))
    assert CONTENT[:100] not in archive
    assert decrypted(Encryption.with_identities(identities), archive) == CONTENT


def test_a_writer_reads_what_it_wrote(identity: pyrage.x25519.Identity):
    encryption = Encryption.to([str(identity.to_public())])
    assert decrypted(encryption, encrypted(encryption)) == CONTENT


def test_another_key_does_not_decrypt(identity: pyrage.x25519.Identity, identities: Path):
    archive = encrypted(Encryption.to([str(pyrage.x25519.Identity.generate().to_public())]))
    with pytest.raises(IssuerError, match="no matching keys found"):
        decrypted(Encryption.with_identities(identities), archive)


def test_without_a_key_the_error_says_what_to_use(identity: pyrage.x25519.Identity):
    archive = encrypted(Encryption.to([str(identity.to_public())]))
    with pytest.raises(IssuerError, match=r"is encrypted: use --identity FILE\.$"):
        decrypted(Encryption(), archive)


def test_every_changed_byte_and_truncation_is_noticed(
    identity: pyrage.x25519.Identity, identities: Path
):
    archive = encrypted(Encryption.to([str(identity.to_public())]), b"short")
    known = Encryption.with_identities(identities)
    for place in range(len(archive)):
        changed = bytearray(archive)
        changed[place] ^= 1 << place % 8
        for each in (bytes(changed), archive[:place]):
            assert refused(known, each)


def refused(encryption: Encryption, archive: bytes) -> bool:
    """Or it is not taken for encrypted, and then not for a backup."""
    try:
        return decrypted(encryption, archive) == archive
    except IssuerError:
        return True


def test_a_reader_that_stops_early_ends_the_thread_that_decrypts(
    identity: pyrage.x25519.Identity, identities: Path
):
    archive = io.BufferedReader(io.BytesIO(encrypted(Encryption.to([str(identity.to_public())]))))
    with Encryption.with_identities(identities).decrypt(archive, "the.backup") as opened:
        assert opened.read(10) == CONTENT[:10]


def test_what_the_source_raises_is_raised(identity: pyrage.x25519.Identity):
    def failing() -> Iterator[bytes]:
        yield b"some"
        raise IssuerError("The database is gone.")

    with pytest.raises(IssuerError, match="The database is gone"):
        Encryption.to([str(identity.to_public())]).encrypt(failing(), io.BytesIO())


def test_a_full_disk_is_said_to_be_full(identity: pyrage.x25519.Identity):
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(OSError, match="No space"),
    ):
        Encryption.to([str(identity.to_public())]).encrypt([CONTENT], full)


def test_a_secret_key_given_as_recipient_is_not_repeated(identity: pyrage.x25519.Identity):
    with pytest.raises(IssuerError) as refusal:
        Encryption.to([str(identity)])
    assert "not a secret key" in str(refusal.value)
    assert str(identity) not in str(refusal.value)


@rows("text", ["", "# nothing\n", "AGE-SECRET-KEY-1\n", "age1xyz\n"])
def test_a_file_without_a_secret_key_is_refused_and_not_repeated(text: str, tmp_path: Path):
    with pytest.raises(IssuerError) as refusal:
        Encryption.with_identities(private(tmp_path / "key.txt", text))
    assert "KEY-1" not in str(refusal.value)


def test_a_key_that_others_can_read_is_refused(identities: Path):
    identities.chmod(0o644)
    with pytest.raises(IssuerError, match="can be read by others"):
        Encryption.with_identities(identities)


@pytest.mark.parametrize(("name", "why"), [("binary", "a passphrase"), ("armored", "is armored")])
def test_what_only_age_can_decrypt_is_refused_with_the_command(
    name: str, why: str, identities: Path
):
    """This work factor would take years."""
    header = b"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 60\n" + b"A" * 43
    archive = header + b"\n--- " + b"A" * 43 + b"\n" + CONTENT
    if name == "armored":
        archive = b"-----BEGIN AGE ENCRYPTED FILE-----\n" + base64.b64encode(archive)
    with pytest.raises(IssuerError) as refusal:
        decrypted(Encryption.with_identities(identities), archive)
    assert why in str(refusal.value)
    assert "decrypt it first, with `age --decrypt`" in str(refusal.value)


def test_a_header_with_very_many_recipients_is_refused(identities: Path):
    stanza = b"-> X25519 " + base64.b64encode(bytes(32)).rstrip(b"=") + b"\n" + b"A" * 43 + b"\n"
    archive = b"age-encryption.org/v1\n" + 1_000 * stanza + b"--- " + b"A" * 43 + b"\n" + CONTENT
    with pytest.raises(IssuerError, match="header is cut off, or longer than 64 KiB"):
        decrypted(Encryption.with_identities(identities), archive)


@pytest.mark.skipif(shutil.which("age") is None, reason="needs age")
def test_age_decrypts_it_and_what_age_encrypted_is_read(
    identity: pyrage.x25519.Identity, identities: Path, tmp_path: Path
):
    recipient = str(identity.to_public())
    archive = tmp_path / "archive.age"
    archive.write_bytes(encrypted(Encryption.to([recipient])))
    shown = subprocess.run(
        ["age", "-d", "-i", identities, archive], capture_output=True, check=True
    )
    assert shown.stdout == CONTENT
    made = subprocess.run(["age", "-r", recipient], input=CONTENT, capture_output=True, check=True)
    assert decrypted(Encryption.with_identities(identities), made.stdout) == CONTENT
