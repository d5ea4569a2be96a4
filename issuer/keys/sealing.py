"""What is secret at rest is sealed: AES-256-GCM under the master key."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from issuer.errors import ConfigurationError

_KEY_BYTES = 32
_NONCE_BYTES = 12
_MARK_BYTES = 4


class Sealer:
    """Seals and opens. A box is: mark of the master key, nonce, ciphertext with its tag."""

    def __init__(self, master_key: bytes, random_bytes: Callable[[int], bytes]) -> None:
        self._cipher = AESGCM(master_key)
        self._mark = hashlib.sha256(master_key).digest()[:_MARK_BYTES]
        self._random_bytes = random_bytes

    def seal(self, content: bytes, name: str) -> bytes:
        """`content` in a box that opens only under the same `name`."""
        nonce = self._random_bytes(_NONCE_BYTES)
        return self._mark + nonce + self._cipher.encrypt(nonce, content, name.encode())

    def open(self, box: bytes, name: str) -> bytes:
        """What was sealed as `name`; `ConfigurationError` under another master key."""
        nonce, sealed = box[_MARK_BYTES:][:_NONCE_BYTES], box[_MARK_BYTES + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, sealed, name.encode())
        except (InvalidTag, ValueError):
            raise ConfigurationError(
                "The master key is not the one this database was sealed with."
            ) from None


def new_master_key(random_bytes: Callable[[int], bytes]) -> str:
    """A new master key in the text form of `master.key` and `ISSUER_MASTER_KEY`."""
    return base64.urlsafe_b64encode(random_bytes(_KEY_BYTES)).decode().rstrip("=")


def read_master_key(text: str, where: str = "ISSUER_MASTER_KEY") -> bytes:
    """The 32 bytes written as `text`; `ConfigurationError` for anything else, naming `where`."""
    try:
        key = base64.b64decode(text.strip() + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(f"{where} must be 32 bytes as 43 base64url characters.")
    return key


def read_master_key_file(path: Path) -> bytes:
    """The master key in the file; `ConfigurationError` if others may read it."""
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii")
    except FileNotFoundError:
        raise ConfigurationError(f"There is no master key at {path}: run `issuer init`.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The master key at {path} cannot be read: {error}.") from None
    if mode & 0o077:
        raise ConfigurationError(f"{path} can be read by others: chmod 600 it.")
    return read_master_key(text, str(path))
