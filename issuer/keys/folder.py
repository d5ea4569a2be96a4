"""Private keys as PEM files in a folder, managed by other tools.

The handle is the name of a file. A key file that the database does not know is used as the next
key; where there is none, one is made, if the folder can be written.
"""

import os
import unicodedata
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from issuer.errors import ConfigurationError, Unavailable
from issuer.fields.text import escape
from issuer.files import read_regular, read_trusted, reason_of, remove_partial, write_private
from issuer.keys import private_key
from issuer.keys.sealing import FILE
from issuer.telemetry.logs import get_logger
from issuer.vocabulary import SigningAlgorithm

log = get_logger(__name__)


class FolderKeyBackend:
    """A `KeyBackend`. `stored()` gives every key in the database, and whether it is usable."""

    def __init__(self, folder: Path, stored: Callable[[], Mapping[str, bool]]) -> None:
        self._folder = folder
        self._stored = stored
        self._ready: dict[str, private_key.PrivateKey] = {}

    def owns(self, handle: bytes) -> bool:
        return handle.startswith(FILE)

    def create(self, alg: SigningAlgorithm, besides: Collection[str] = ()) -> private_key.MadeKey:
        if not self._folder.is_dir():
            raise ConfigurationError(
                f"ISSUER_KEY_FOLDER {self._folder} does not exist: mount it, or run `issuer init`"
                " to create it."
            )
        provided = (
            (path.name, key)
            for path, key in self._unused()
            if private_key.signs(key, alg) and key.thumbprint() not in besides
        )
        name, key = next(provided, None) or self._make(alg)
        self._ready[key.thumbprint()] = key  # reading an RSA key again is slow
        return private_key.MadeKey(private_key.public_jwk(key, alg), FILE + os.fsencode(name))

    def load(self, kid: str, alg: SigningAlgorithm, handle: bytes) -> Mapping[str, Any]:
        if kid not in self._ready:
            path = self._path(handle)
            key = read_key_file(path)
            if not private_key.signs(key, alg):
                raise ConfigurationError(f"{path} holds a key that cannot sign {alg}.")
            if key.thumbprint() != kid:
                raise ConfigurationError(f"{path} holds another key than {kid}.")
            self._ready[kid] = key
        return private_key.public_jwk(self._ready[kid], alg)

    def sign(self, kid: str, header: Mapping[str, object], payload: bytes) -> str:
        return private_key.signed(self._ready.get(kid), header, payload)

    def destroy(self, kid: str, handle: bytes) -> None:
        self._ready.pop(kid, None)
        self._remove(self._path(handle), kid)

    def cleanup(self) -> None:
        remove_partial(self._folder)
        self._unused()

    def _unused(self) -> list[tuple[Path, private_key.PrivateKey]]:
        """Key files that the database does not know. Removes those of destroyed keys."""
        stored, unused = self._stored(), []
        for path in key_files(self._folder):
            try:
                key = read_key_file(path)
            except ConfigurationError as error:
                log.info("key_file_skipped", cause=str(error))
                continue
            kid = key.thumbprint()
            if kid not in stored:
                unused.append((path, key))
            elif not stored[kid]:
                self._remove(path, kid)
        return unused

    def _make(self, alg: SigningAlgorithm) -> tuple[str, private_key.PrivateKey]:
        key = private_key.generate(alg)
        name = f"{key.thumbprint()}.pem"
        try:
            write_private(self._folder / name, key.as_pem(private=True).decode())
        except OSError as error:
            raise Unavailable(
                f"There is no unused {alg} key in {self._folder}, and none can be written:"
                f" {reason_of(error)}."
            ) from None
        return name, key

    def _remove(self, path: Path, kid: str) -> None:
        """Remove the file, unless it now holds another key; of a symbolic link only the link."""
        if not path.is_file():
            return
        try:
            if private_key.read_pem(read_regular(path)[0], str(path)).thumbprint() != kid:
                return
            target = path.resolve() if path.is_symlink() else None
            path.unlink(missing_ok=True)
        except (OSError, ConfigurationError) as error:
            log.warning("key_file_not_removed", kid=kid, cause=str(error))
            return
        if target is not None:
            advice = "Only the link was removed: delete the private key it points to."
            log.warning(
                "private_key_remains", kid=kid, link=str(path), target=str(target), advice=advice
            )

    def _path(self, handle: bytes) -> Path:
        """Only a name of the handle is used: a changed row must not lead out of the folder."""
        return self._folder / Path(os.fsdecode(handle.removeprefix(FILE))).name


def key_files(folder: Path) -> list[Path]:
    """The files that may hold keys, by name."""
    return sorted(folder.glob("*.pem"))


def read_key_file(path: Path) -> private_key.PrivateKey:
    """The key in the file; `ConfigurationError` if there is none, or others can read it.

    Kubernetes mounts secrets as links within the folder; no other links are followed.
    """
    if any(unicodedata.category(each) == "Cc" for each in path.name):
        raise ConfigurationError(
            f"The name of {escape(str(path))} has control characters: rename the file."
        )
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(path.parent)):
        raise ConfigurationError(f"{path} links to a file elsewhere: put the key into the folder.")
    try:
        content = read_trusted(path, private=True)
    except FileNotFoundError:
        raise ConfigurationError(f"There is no key file {path}.") from None
    except OSError as error:
        raise ConfigurationError(f"Cannot read the key {path}: {reason_of(error)}.") from None
    return private_key.read_pem(content, str(path))
