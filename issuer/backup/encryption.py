"""Encrypting archives in the format of age (age-encryption.org/v1), with pyrage."""

import io
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Self

import pyrage
from pyrage import x25519

from issuer.errors import IssuerError
from issuer.files import read_trusted

_BEGINNING = b"age-"
_ARMORED = b"-----BEGIN AGE"
_PASSPHRASE = b"\n-> scrypt "
_SECRET = "AGE-SECRET-KEY-"  # noqa: S105 - how one begins
_PIECE = 64 * 1024
# The time to read a header grows with the square of its size.
_MAX_HEADER = 64 * 1024
_PATIENCE_S = 1


@dataclass(frozen=True)
class Encryption:
    """What encrypts an archive, and what decrypts it. The default does neither."""

    recipients: Sequence[Any] = ()
    identities: Sequence[Any] = field(default=(), repr=False)

    @classmethod
    def to(cls, recipients: Sequence[str]) -> Self:
        """To public keys, each `age1…`, and to one of its own, to read again what it wrote."""
        own = x25519.Identity.generate()
        return cls([*map(_recipient, recipients), own.to_public()], [own])

    @classmethod
    def with_identities(cls, file: Path) -> Self:
        """To be decrypted by the keys in a private file, as `age-keygen` writes it."""
        try:
            text = read_trusted(file, private=True).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise IssuerError(f"Cannot read {file}: {error}.") from None
        lines = [line.strip() for line in text.splitlines()]
        keys = [line for line in lines if line and not line.startswith("#")]
        if not keys:
            raise IssuerError(f"There is no key in {file}.")
        try:
            return cls(identities=[x25519.Identity.from_str(key) for key in keys])
        except pyrage.IdentityError:
            raise IssuerError(
                f"{file} must hold secret keys of age, each on a line that begins with {_SECRET}."
            ) from None

    @property
    def is_on(self) -> bool:
        return bool(self.recipients)

    def encrypt(self, pieces: Iterable[bytes], file: BinaryIO) -> None:
        """Write `pieces` to `file`. What they raise is raised."""
        if not self.recipients:
            file.writelines(pieces)
            return
        source, sink = _Source(pieces), _Sink(file)
        try:
            pyrage.encrypt_io(source, sink, self.recipients)
        except (pyrage.EncryptError, OSError):
            if error := source.error or sink.error:  # pyrage has made a text of it
                raise error from None
            raise

    @contextmanager
    def decrypt(self, file: BinaryIO, name: str) -> Iterator[BinaryIO]:
        """The content of `file`, encrypted or not; `IssuerError` if this does not decrypt it."""
        beginning = file.read(_MAX_HEADER)
        whole = _Source(chain([beginning], iter(partial(file.read, _PIECE), b"")))
        if not beginning.startswith((_BEGINNING, _ARMORED)):
            yield io.BufferedReader(whole, _PIECE)
            return
        _require_for_recipients(beginning, name)
        if not self.identities:
            raise IssuerError(f"{name} is encrypted: use --identity FILE.")
        with _Decrypting(self.identities, whole, name) as content:
            yield io.BufferedReader(content, _PIECE)


def _require_for_recipients(beginning: bytes, name: str) -> None:
    """Check the header of an encrypted file before anything is computed from it."""
    header, end, _ = beginning.partition(b"\n---")
    is_armored = beginning.startswith(_ARMORED)
    if is_armored or _PASSPHRASE in header:
        what = "is armored" if is_armored else "is encrypted with a passphrase"
        raise IssuerError(
            f"{name} {what}, which this command does not read: decrypt it first, with"
            " `age --decrypt`, and restore the result."
        )
    if not end:
        raise IssuerError(
            f"{name} cannot be decrypted: its header is cut off, or longer than"
            f" {_MAX_HEADER // 1024} KiB."
        )


class _Source(io.RawIOBase):
    """Pieces as a file. Remembers what they raise."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")
        self.error: BaseException | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            while not self._rest and (piece := next(self._pieces, None)) is not None:
                self._rest = memoryview(piece)
        except BaseException as error:
            self.error = error
            raise
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


class _Sink(io.RawIOBase):
    """A file to write to. Remembers what that raises."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: BaseException | None = None

    def write(self, content: Any) -> int:
        try:
            return self._file.write(content)
        except BaseException as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Whoever opened the file does that."""


class _Decrypting(io.RawIOBase):
    """What a thread decrypts into a pipe: pyrage writes, and an archive is read."""

    def __init__(self, identities: Sequence[Any], file: io.RawIOBase, name: str) -> None:
        self._identities = identities
        self._file = file
        self._name = name
        self._error: BaseException | None = None
        reading, writing = os.pipe()
        self._reading = os.fdopen(reading, "rb", buffering=0)
        self._thread = threading.Thread(target=self._decrypt, args=(writing,), daemon=True)
        self._thread.start()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if read := self._reading.readinto(buffer):
            return read
        self._thread.join()
        if self._error is not None:
            cause = str(self._error).rstrip(".")
            cause = f"{cause[:1].lower()}{cause[1:]}"
            raise IssuerError(f"{self._name} cannot be decrypted: {cause}.")
        return 0

    def close(self) -> None:
        self._reading.close()  # a thread that still writes gets an error
        self._thread.join(_PATIENCE_S)  # one that reads from a pipe may wait for ever
        super().close()

    def _decrypt(self, writing: int) -> None:
        try:
            with os.fdopen(writing, "wb") as pipe:
                pyrage.decrypt_io(self._file, pipe, self._identities)
        except Exception as error:
            self._error = error


def _recipient(text: str) -> Any:
    try:
        return x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        # Does not repeat the text: it could be a secret key.
        hint = ", not a secret key" if text.upper().startswith(_SECRET) else ""
        raise IssuerError(
            f"--recipient must be a public key of age, which begins with age1{hint}."
        ) from None
