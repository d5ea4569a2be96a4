"""Private keys as PEM files in a folder, managed by other tools."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc.jwk import ECKey

from issuer.errors import ConfigurationError, Unavailable
from issuer.keys.folder import FolderKeyBackend
from issuer.vocabulary import SigningAlgorithm
from tests.captured_logs import capture_logs
from tests.owners import give_to_another_user
from tests.rows import rows

ES256, RS256, EDDSA = SigningAlgorithm.ES256, SigningAlgorithm.RS256, SigningAlgorithm.EDDSA
PRIVATE, OPEN = 0o600, 0o644

ONE = ec.generate_private_key(ec.SECP256R1())


def pem(key, form=PrivateFormat.PKCS8, encryption=None) -> bytes:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def public_pem(key) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def put(path: Path, content: bytes, mode: int = PRIVATE) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def kid_of(path: Path) -> str:
    return ECKey.import_key(path.read_bytes()).thumbprint()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir(mode=0o700)
    return tmp_path / "keys"


@pytest.fixture
def backend(folder: Path) -> FolderKeyBackend:
    """Of an issuer without keys."""
    return FolderKeyBackend(folder, dict)


@rows(
    ("content", "alg"),
    {
        "PKCS8": (pem(ONE), ES256),
        "SEC1": (pem(ONE, PrivateFormat.TraditionalOpenSSL), ES256),
        "with its public part": (b"Made by hand.\n" + pem(ONE) + public_pem(ONE), ES256),
        "Ed25519": (pem(ed25519.Ed25519PrivateKey.generate()), EDDSA),
        "RSA": (pem(rsa.generate_private_key(65537, 3072)), RS256),
    },
)
def test_a_provided_key_file_is_the_next_key(tmp_path: Path, content: bytes, alg: SigningAlgorithm):
    folder = Path(mkdtemp(dir=tmp_path))
    backend = FolderKeyBackend(folder, dict)
    put(folder / "2026-12.pem", content)
    made = backend.create(alg)
    assert made.handle == b"pem:2026-12.pem"
    assert backend.load(made.kid, alg, made.handle) == made.public_jwk
    assert list(folder.iterdir()) == [folder / "2026-12.pem"]


def test_files_are_used_in_the_order_of_their_names(folder: Path):
    """Each once; then keys are generated."""
    later, sooner = (put(folder / f"{name}.pem", pem(new_key())) for name in "ba")
    stored: dict[str, bool] = {}
    backend = FolderKeyBackend(folder, lambda: stored)
    for expected in (sooner, later):
        kid = backend.create(ES256).kid
        assert kid == kid_of(expected)
        stored[kid] = True
    assert backend.create(ES256).kid not in stored


def test_a_key_that_was_not_stored_is_returned_again(backend: FolderKeyBackend, folder: Path):
    """So failed attempts do not fill the folder."""
    assert len({backend.create(ES256).kid for _ in range(3)}) == 1
    assert len(list(folder.iterdir())) == 1


def test_a_file_may_have_any_name(backend: FolderKeyBackend, folder: Path):
    put(folder / os.fsdecode(b"sch\xfcssel.pem"), pem(ONE))
    made = backend.create(ES256)
    assert backend.load(made.kid, ES256, made.handle) == made.public_jwk


def test_a_name_with_control_characters_is_refused_and_not_repeated(
    backend: FolderKeyBackend, folder: Path
):
    """It would begin another line of the log, or change the terminal."""
    put(folder / "0\n\x1b[2J.pem", pem(ONE))
    with capture_logs() as logged:
        made = backend.create(ES256)
    assert made.kid != kid_of(folder / "0\n\x1b[2J.pem")
    (cause,) = {each["cause"] for each in logged}
    assert r"0\n\u001b[2J.pem has control characters: rename the file." in cause


def test_a_file_may_be_a_link_within_the_folder(backend: FolderKeyBackend, folder: Path):
    """Kubernetes mounts secrets as links. The target must be private."""
    (folder / "..2026").mkdir()
    target = put(folder / "..2026" / "link.pem", pem(ONE))
    (folder / "..data").symlink_to("..2026")
    (folder / "link.pem").symlink_to("..data/link.pem")
    made = backend.create(ES256)
    assert made.handle == b"pem:link.pem"
    target.chmod(OPEN)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        FolderKeyBackend(folder, dict).load(made.kid, ES256, made.handle)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


UNFIT: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: put(path, b""), "holds no private key"),
    "garbage": (lambda path: put(path, os.urandom(500)), "holds no private key"),
    "half": (lambda path: put(path, pem(ONE)[:100]), "holds no private key"),
    "public": (lambda path: put(path, public_pem(ONE)), "holds no private key"),
    "encrypted": (
        lambda path: put(path, pem(ONE, encryption=BestAvailableEncryption(b"password"))),
        "is encrypted: it must be without a password",
    ),
    "small RSA": (
        lambda path: put(path, pem(rsa.generate_private_key(65537, 1024))),
        "neither RSA of 2048 bits or more",
    ),
    "other curve": (
        lambda path: put(path, pem(ec.generate_private_key(ec.SECP384R1()))),
        "nor P-256",
    ),
    "readable by all": (lambda path: put(path, pem(ONE), OPEN), "chmod 600"),
    "readable by the group": (lambda path: put(path, pem(ONE), 0o640), "chmod 600"),
    "folder": (Path.mkdir, "is not a regular file"),
    "pipe": (os.mkfifo, "is not a regular file"),
    "link out of the folder": (
        lambda path: path.symlink_to(put(path.parent.parent / "tls.pem", pem(ONE))),
        "links to a file elsewhere: put the key into the folder",
    ),
    "device": (lambda path: path.symlink_to("/dev/zero"), "links to a file elsewhere"),
    "link to nowhere": (lambda path: path.symlink_to("nowhere"), "There is no key file"),
}


@rows(("make", "sentence"), UNFIT)
def test_an_unusable_file_is_skipped_and_logged(
    tmp_path: Path, make: Callable[[Path], object], sentence: str
):
    folder = Path(mkdtemp(dir=tmp_path))
    backend = FolderKeyBackend(folder, dict)
    path = folder / "0.pem"
    make(path)
    with capture_logs() as logged:
        made = backend.create(ES256)
    assert made.handle != b"pem:0.pem"
    causes = {each["cause"] for each in logged}
    assert len(causes) == 1
    assert sentence in causes.pop()
    with pytest.raises(ConfigurationError, match=sentence) as refused:
        backend.load("kid", ES256, b"pem:0.pem")
    assert str(path) in str(refused.value)


def test_a_key_of_another_type_waits_for_its_algorithm(backend: FolderKeyBackend, folder: Path):
    put(folder / "0.pem", pem(ONE))
    assert backend.create(EDDSA).handle != b"pem:0.pem"
    assert backend.create(ES256).handle == b"pem:0.pem"


def test_other_files_are_left_alone(backend: FolderKeyBackend, folder: Path):
    put(folder / "key.txt", pem(ONE))
    put(folder / "README", b"Ours.", OPEN)
    assert backend.create(ES256).kid != kid_of(folder / "key.txt")
    backend.cleanup()
    assert {"key.txt", "README"} < {path.name for path in folder.iterdir()}


@rows("name", ["/etc/passwd", "../keys/0.pem", "..", ""])
def test_a_handle_does_not_lead_out_of_the_folder(
    backend: FolderKeyBackend, tmp_path: Path, name: str
):
    """Destroying such a handle deletes no file outside either."""
    with pytest.raises(ConfigurationError, match=f"{tmp_path / 'keys'}"):
        backend.load("kid", ES256, b"pem:" + name.encode())
    backend.destroy("kid", b"pem:" + name.encode())
    assert Path("/etc/passwd").exists()


def test_a_file_with_another_key_is_refused_and_not_deleted(
    backend: FolderKeyBackend, folder: Path
):
    path = put(folder / "key.pem", pem(ONE))
    made = backend.create(ES256)
    backend.load(made.kid, ES256, made.handle)
    put(path, pem(new_key()))
    with pytest.raises(ConfigurationError, match=f"holds another key than {made.kid}"):
        FolderKeyBackend(folder, dict).load(made.kid, ES256, made.handle)
    backend.destroy(made.kid, made.handle)
    assert path.exists()


def test_destroying_a_key_behind_a_link_says_that_the_target_remains(
    backend: FolderKeyBackend, folder: Path
):
    target, link = put(folder / "secret", pem(ONE)), folder / "link.pem"
    link.symlink_to(target)
    made = backend.create(ES256)
    with capture_logs() as logged:
        backend.destroy(made.kid, made.handle)
    assert not link.is_symlink()
    assert target.exists()
    (line,) = logged
    assert (line["event"], line["log_level"]) == ("private_key_remains", "warning")
    assert (line["link"], line["target"]) == (str(link), str(target))


def test_a_key_of_another_user_is_not_used(
    backend: FolderKeyBackend, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    give_to_another_user(put(folder / "0.pem", pem(ONE)), monkeypatch)
    assert backend.create(ES256).handle != b"pem:0.pem"
    with pytest.raises(ConfigurationError, match="chown"):
        backend.load("kid", ES256, b"pem:0.pem")


def test_a_leftover_file_of_a_destroyed_key_is_deleted(folder: Path):
    """The process crashed before it deleted the file, or the folder was not mounted."""
    path = put(folder / "old.pem", pem(ONE))
    FolderKeyBackend(folder, lambda: {kid_of(path): True}).cleanup()
    assert path.exists()
    FolderKeyBackend(folder, lambda: {kid_of(path): False}).cleanup()
    assert not path.exists()


def test_a_partial_file_that_a_crash_left_is_deleted(backend: FolderKeyBackend, folder: Path):
    """Unless another process is just writing it."""
    left, being_written = folder / "left.partial", folder / "new.partial"
    for path in (left, being_written):
        put(path, pem(ONE)[:100])
    with being_written.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        backend.cleanup()
        assert list(folder.iterdir()) == [being_written]
    backend.cleanup()
    assert list(folder.iterdir()) == []


def test_a_read_only_folder_without_an_unused_key_is_an_error(folder: Path):
    read_only = Path("/proc")  # even for root
    message = "There is no unused ES256 key in /proc, and none can be written"
    with pytest.raises(Unavailable, match=message):
        FolderKeyBackend(read_only, dict).create(ES256)
