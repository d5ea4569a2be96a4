"""Encryption (AES-256-GCM): of secrets at rest under a master key, of text that browsers keep.

The text of `master.key` and of `ISSUER_MASTER_KEY` is one master key or several, with white space
between them: all of them open, and `issuer key rewrap` seals with the first.
"""

import base64
import hashlib
import hmac
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from issuer.errors import ConfigurationError
from issuer.files import read_trusted, reason_of

_KEY_BYTES = 32
_NONCE_BYTES = 12
_MARK_BYTES = 4
_MAX_KEYS = 16

FILE = b"pem:"  # the handle of a file begins so, and no box does


class Sealer:
    """Seals and opens. A box is: mark of the master key, nonce, ciphertext with its tag.

    `master_keys()` is called each time: the file may have changed.
    """

    def __init__(
        self, master_keys: Callable[[], Sequence[bytes]], random_bytes: Callable[[int], bytes]
    ) -> None:
        self._master_keys = master_keys
        self._random_bytes = random_bytes

    @property
    def newest(self) -> bytes:
        """The mark of the first master key."""
        return _mark(self._master_keys()[0])

    def seal(self, content: bytes, name: str, mark: bytes) -> bytes:
        """`content` in a box that opens only with the same `name` and the key of that `mark`."""
        nonce = self._random_bytes(_NONCE_BYTES)
        return mark + _encrypt(self._key(mark), nonce, content, name)

    def open(self, box: bytes, name: str) -> bytes:
        """What was sealed as `name`; `ConfigurationError` if no master key opens it."""
        try:
            return _decrypt(self._key(master_key_id(box)), box[_MARK_BYTES:], name)
        except (InvalidTag, ValueError):
            raise _wrong_key() from None

    def rewrap(self, box: bytes, name: str) -> bytes:
        """The content sealed under the first master key; the box itself if it is that already."""
        newest = self.newest
        if master_key_id(box) == newest:
            return box
        return self.seal(self.open(box, name), name, newest)

    def holds(self, mark: bytes) -> bool:
        """Whether the master key of that `mark` is among the master keys."""
        return any(_mark(key) == mark for key in self._master_keys())

    def authenticate(self, content: bytes, name: str, mark: bytes) -> bytes:
        """A keyed hash (HMAC) of `content`, under a key of that `name` alone (RFC 5869 §2.3).

        It is derived from the master key of that `mark`.
        """
        derived = hmac.digest(self._key(mark), name.encode() + b"\x01", "sha256")
        return hmac.digest(derived, content, "sha256")

    def _key(self, mark: bytes) -> bytes:
        for key in self._master_keys():
            if _mark(key) == mark:
                return key
        raise _wrong_key()


class SealedTexts:
    """Text that a browser keeps for us and can neither read nor change.

    Sealed under one key, which is for one purpose. `random` is a cryptographic source.
    """

    def __init__(self, key: bytes, random: Random) -> None:
        self._key = key
        self._random = random

    def seal(self, text: str) -> str:
        nonce = self._random.randbytes(_NONCE_BYTES)
        box = _encrypt(self._key, nonce, zlib.compress(text.encode()))
        return base64.urlsafe_b64encode(box).decode().rstrip("=")

    def open(self, sealed: str) -> str | None:
        """The text; None if it was not sealed here."""
        try:
            box = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
            return zlib.decompress(_decrypt(self._key, box)).decode()
        except (InvalidTag, ValueError):
            return None


def _encrypt(key: bytes, nonce: bytes, content: bytes, name: str = "") -> bytes:
    """The nonce and the ciphertext with its tag, which also authenticates the `name`."""
    return nonce + AESGCM(key).encrypt(nonce, content, name.encode())


def _decrypt(key: bytes, box: bytes, name: str = "") -> bytes:
    """`InvalidTag` or `ValueError` unless it was encrypted under this key and name."""
    return AESGCM(key).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], name.encode())


def is_ciphertext(handle: bytes) -> bool:
    """Whether this is a box, rather than the name of a key file."""
    return not handle.startswith(FILE)


def master_key_id(box: bytes) -> bytes:
    """The mark of the master key that a box was sealed under."""
    return box[:_MARK_BYTES]


def new_master_key(random_bytes: Callable[[int], bytes]) -> str:
    """A new master key in the text form of `master.key` and `ISSUER_MASTER_KEY`."""
    return base64.urlsafe_b64encode(random_bytes(_KEY_BYTES)).decode().rstrip("=")


def read_master_keys(text: str, where: str = "ISSUER_MASTER_KEY") -> list[bytes]:
    """The keys written as `text`; `ConfigurationError` for anything else, naming `where`."""
    words = text.split()
    if not 1 <= len(words) <= _MAX_KEYS:
        raise ConfigurationError(f"{where} must hold 1 to {_MAX_KEYS} master keys.")
    return [_read_master_key(word, where) for word in words]


def read_master_key_file(path: Path) -> list[bytes]:
    """The master keys in the file; `ConfigurationError` if others may read it."""
    try:
        text = read_trusted(path, private=True).decode("ascii")
    except FileNotFoundError:
        raise ConfigurationError(
            f"There is no master key at {path}: restore the file from your backup."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        why = reason_of(error)
        raise ConfigurationError(f"Cannot read the master key at {path}: {why}.") from None
    return read_master_keys(text, str(path))


def _read_master_key(word: str, where: str) -> bytes:
    """From base64 or base64url, with padding or without (RFC 4648 §4, §5)."""
    text = word.rstrip("=").translate(str.maketrans("+/", "-_"))
    try:
        key = base64.b64decode(f"{text}=", altchars=b"-_", validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(
            f"{where} must be 32 bytes as base64: copy the whole key. For a new issuer,"
            " `issuer key generate-master` prints one."
        )
    return key


def _mark(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:_MARK_BYTES]


def _wrong_key() -> ConfigurationError:
    return ConfigurationError(
        "The master key is not the one that encrypts the keys in this database: use that of your"
        " backup, or name the database of this key."
    )
