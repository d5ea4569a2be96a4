"""The contract of every `KeyBackend`, wherever it stores private keys."""

import base64
import json
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.jwk import JWKRegistry
from sqlalchemy import select

from issuer.database.tables import Base
from issuer.errors import ConfigurationError, Unavailable
from issuer.keys.folder import FolderKeyBackend
from issuer.keys.private_key import KeyBackend, MadeKey, SealedKeyBackend
from issuer.keys.sealing import Sealer, is_ciphertext
from issuer.keys.store import KeyStore
from issuer.vocabulary import SigningAlgorithm
from tests.builders import OPERATOR, Deployment
from tests.captured_logs import capture_logs
from tests.rows import rows

ES256, RS256 = SigningAlgorithm.ES256, SigningAlgorithm.RS256
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}

Restarted = Callable[[], KeyBackend]
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
every_algorithm = rows("alg", list(SigningAlgorithm))


@pytest.fixture(params=[0, 1], ids=["sealed", "folder"])
def restarted(request: pytest.FixtureRequest, master_key: bytes, tmp_path: Path) -> Restarted:
    """A process that starts, with the private keys that exist."""
    return lambda: both(master_key, tmp_path)[request.param]


@pytest.fixture
def master_key() -> bytes:
    return secrets.token_bytes(32)


def both(master_key: bytes, folder: Path) -> tuple[KeyBackend, KeyBackend]:
    sealer = Sealer(lambda: [master_key], secrets.token_bytes)
    return SealedKeyBackend(sealer, lambda: sealer.newest), FolderKeyBackend(folder, dict)


@pytest.fixture
def backend(restarted: Restarted) -> KeyBackend:
    return restarted()


def signed(backend: KeyBackend, made: MadeKey) -> str:
    header = {"alg": made.public_jwk["alg"], "kid": made.kid}
    return backend.sign(made.kid, header, b"payload")


def loaded(backend: KeyBackend, made: MadeKey) -> MadeKey:
    """The key loaded, as after it was stored."""
    alg = SigningAlgorithm(made.public_jwk["alg"])
    return MadeKey(backend.load(made.kid, alg, made.handle), made.handle)


@every_algorithm
def test_a_key_is_public_and_named_by_its_thumbprint(backend: KeyBackend, alg: SigningAlgorithm):
    """RFC 7517 §4, RFC 7638."""
    made = backend.create(alg)
    jwk = dict(made.public_jwk)
    assert (jwk["alg"], jwk["use"]) == (alg, "sig")
    assert not PRIVATE_MEMBERS & jwk.keys()
    assert made.kid == JWKRegistry.import_key(jwk).thumbprint()


@every_algorithm
def test_what_it_signs_verifies_with_the_public_part(restarted: Restarted, alg: SigningAlgorithm):
    """In the process that made it and in another."""
    made = restarted().create(alg)
    key = JWKRegistry.import_key(dict(made.public_jwk))
    for _ in range(2):
        backend = restarted()
        assert loaded(backend, made) == made
        assert loaded(backend, made) == made  # a second time has no effect
        read = jws.deserialize_compact(signed(backend, made), key, algorithms=[alg])
        assert read.payload == b"payload"


def test_keys_of_one_plan_differ(backend: KeyBackend):
    made = [backend.create(ES256)]
    made.append(backend.create(ES256, besides={made[0].kid}))
    assert made[0].kid != made[1].kid


def test_a_handle_belongs_to_one_backend(backend: KeyBackend, master_key: bytes, tmp_path: Path):
    handle = backend.create(ES256).handle
    owners = [each for each in both(master_key, tmp_path) if each.owns(handle)]
    assert [type(each) for each in owners] == [type(backend)]


def test_a_destroyed_key_does_not_sign(backend: KeyBackend):
    made = backend.create(ES256)
    other = backend.create(ES256, besides={made.kid})
    for each in (made, other):
        loaded(backend, each)
    backend.destroy(made.kid, made.handle)
    with pytest.raises(Unavailable):
        signed(backend, made)
    assert signed(backend, other)
    backend.destroy(made.kid, made.handle)  # by another process as well


def test_a_key_that_was_never_loaded_does_not_sign(restarted: Restarted):
    made = restarted().create(ES256)
    with pytest.raises(Unavailable):
        signed(restarted(), made)


@rows("wrong", ["kid", "handle", "alg", "truncated", "nonsense"])
def test_a_handle_of_another_key_is_refused(restarted: Restarted, wrong: str):
    """Write access to the database does not allow to choose the signing key."""
    backend = restarted()
    made = backend.create(ES256)
    other = backend.create(ES256, besides={made.kid})
    kid, alg, handle = {
        "kid": (other.kid, ES256, made.handle),
        "handle": (made.kid, ES256, other.handle),
        "alg": (made.kid, RS256, made.handle),
        "truncated": (made.kid, ES256, made.handle[:4]),
        "nonsense": (made.kid, ES256, made.handle[:4] + b"\xff\x00/.."),
    }[wrong]
    with pytest.raises(ConfigurationError):
        restarted().load(kid, alg, handle)


@every_algorithm
def test_a_private_key_is_in_no_log_error_or_repr(
    backend: KeyBackend, alg: SigningAlgorithm, capfd: pytest.CaptureFixture[str]
):
    with capture_logs() as logged:
        made = backend.create(alg)
        backend.load(made.kid, alg, made.handle)
        signed(backend, made)
        with pytest.raises(ConfigurationError) as refused:
            backend.load("another", alg, made.handle)
        backend.destroy(made.kid, made.handle)
    shown = [repr(made), str(made), repr(backend), json.dumps(dict(made.public_jwk))]
    shown += [str(refused.value), repr(logged), *capfd.readouterr()]
    for text in shown:
        assert "PRIVATE" not in text
        assert repr(made.handle) not in text
        assert base64.b64encode(made.handle).decode() not in text


@pytest.fixture(params=["sealed", "folder"])
def more_settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    return {"key_folder": str(tmp_path / "keys")} if request.param == "folder" else {}


def test_a_destroyed_private_key_is_in_no_column_and_no_file(
    deployment: Deployment, tmp_path: Path
):
    folder = tmp_path / "keys"
    active, next_key = sorted(
        deployment.services.keys.keyring.keys, key=lambda key: key.activates_at
    )
    parts = private_parts(deployment, folder)
    assert set(parts.values()) <= everything_kept(deployment, folder)
    with deployment.services.administration.changing_keys(OPERATOR) as work:
        work.keys.revoke(active.kid)
    kept = everything_kept(deployment, folder)
    assert parts[active.kid] not in kept
    assert parts[next_key.kid] in kept
    assert len(private_parts(deployment, folder)) == 2


def private_parts(deployment: Deployment, folder: Path) -> dict[str, bytes]:
    """By key: its sealed box, or what is in its file."""
    with deployment.services.database.reading() as session:
        handles = dict(KeyStore(session).stored().handles)
    return {
        kid: handle if is_ciphertext(handle) else (folder / f"{kid}.pem").read_bytes()
        for kid, handle in handles.items()
    }


def everything_kept(deployment: Deployment, folder: Path) -> set[bytes]:
    tables = Base.metadata.sorted_tables
    with deployment.services.database.reading() as session:
        rows = [row for table in tables for row in session.execute(select(table))]
    columns = {value for row in rows for value in row if isinstance(value, bytes)}
    return columns | {path.read_bytes() for path in folder.glob("*")}
