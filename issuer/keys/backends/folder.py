"""Private keys as PEM files in a folder, for those who manage them outside.

The handle is the name of a file. A file that is not on record is taken into use when the next
key is wanted; where there is none, one is made, if the folder can be written.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog

from issuer.errors import ConfigurationError, Unavailable
from issuer.files import write_private
from issuer.keys.backends.backend import MadeKey
from issuer.keys.private_key import PrivateKey, generated, public_jwk, read_pem, signed
from issuer.keys.sealing import FILE
from issuer.vocabulary import SigningAlgorithm

_LARGEST = 64 * 1024

log = structlog.get_logger(__name__)


class FolderKeyBackend:
    """A `KeyBackend`. `on_record()` gives every key there ever was, and whether it is usable."""

    def __init__(self, folder: Path, on_record: Callable[[], Mapping[str, bool]]) -> None:
        self._folder = folder
        self._on_record = on_record
        self._ready: dict[str, PrivateKey] = {}

    def owns(self, handle: bytes) -> bool:
        return handle.startswith(FILE)

    def create(self, alg: SigningAlgorithm) -> MadeKey:
        name, key = self._provided(alg) or self._made(alg)
        self._ready[key.thumbprint()] = key
        return MadeKey(public_jwk(key, alg), FILE + name.encode())

    def load(self, kid: str, alg: SigningAlgorithm, handle: bytes) -> Mapping[str, Any]:
        if kid not in self._ready:
            key = self._read(self._path(handle), alg)
            if key.thumbprint() != kid:
                raise ConfigurationError(f"{self._path(handle)} holds another key than {kid}.")
            self._ready[kid] = key
        return public_jwk(self._ready[kid], alg)

    def sign(self, kid: str, header: Mapping[str, object], payload: bytes) -> str:
        return signed(self._ready[kid], header, payload)

    def destroy(self, kid: str, handle: bytes) -> None:
        self._ready.pop(kid, None)
        self._remove(self._path(handle), kid)

    def _provided(self, alg: SigningAlgorithm) -> tuple[str, PrivateKey] | None:
        """A file nobody has used. One of a destroyed key, left by a crash, goes."""
        on_record = self._on_record()
        for path, key in self._readable(alg):
            kid = key.thumbprint()
            if not on_record.get(kid, True):
                self._remove(path, kid)
            elif kid not in on_record and kid not in self._ready:
                return path.name, key
        return None

    def _readable(self, alg: SigningAlgorithm) -> Iterator[tuple[Path, PrivateKey]]:
        for path in sorted(self._folder.glob("*.pem")):
            try:
                yield path, self._read(path, alg)
            except ConfigurationError as error:
                log.info("key_file_passed_over", cause=str(error))

    def _made(self, alg: SigningAlgorithm) -> tuple[str, PrivateKey]:
        key = generated(alg)
        name = f"{key.thumbprint()}.pem"
        try:
            write_private(self._folder / name, key.as_pem(private=True).decode())
        except OSError as error:
            raise Unavailable(
                f"No {alg} key is left in {self._folder}, and none can be written: {error}."
            ) from None
        return name, key

    def _remove(self, path: Path, kid: str) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("key_file_not_removed", kid=kid, cause=str(error))

    def _read(self, path: Path, alg: SigningAlgorithm) -> PrivateKey:
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise ConfigurationError(f"{path} can be read by others: chmod 600 it.")
                return read_pem(file.read(_LARGEST), alg, str(path))
        except OSError as error:
            raise ConfigurationError(f"The key {path} cannot be read: {error}.") from None

    def _path(self, handle: bytes) -> Path:
        """A name, not a path: whoever can write to the database may not choose the folder."""
        return self._folder / Path(handle.removeprefix(FILE).decode()).name
