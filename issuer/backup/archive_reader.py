"""Reading an archive, of which every bit is checked."""

import gzip
import hmac
import json
import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO

from pydantic import ValidationError

from issuer.backup.archive import (
    GZIP,
    VERSION,
    ArchiveEnd,
    ArchiveUnusable,
    Authenticate,
    Header,
    Row,
    TableHead,
    end_of,
    last_member,
)

# Of compressed bytes; decompressed they are at most a thousand times as many.
_PIECE = 16 * 1024
_MAX_LINE = 4 * 1024 * 1024
_MAX_LAST_MEMBER = 64 * 1024
_MAX_TABLES = 1000
# What is read only once goes into the database before it is known to be genuine.
_UNVERIFIED = 64 * 1024 * 1024
_UNVERIFIED_RATIO = 100


class ArchiveReader:
    """Reads an archive once, from the beginning: `header`, then `tables`, then `finish`.

    `name` is what errors call it. Nothing that was read is to be trusted before `finish`. All
    errors are `ArchiveUnusable`. With `bounded`, one that decompresses to very much is refused.
    """

    def __init__(self, file: BinaryIO, name: str, *, bounded: bool = False) -> None:
        self._file = file
        self._name = name
        self._bounded = bounded
        self._digest = sha256()
        self._rows: dict[str, int] = {}
        self._rest = b""
        self._lines = self._decompress()
        self._line: bytes | None = None
        self.header = self._read_header()

    def tables(self) -> Iterator[tuple[TableHead, Iterator[Row]]]:
        """Each table with its rows, which must be read before the next table."""
        while self._line is not None:
            try:
                head = TableHead.model_validate_json(self._line)
            except ValidationError:
                raise self.damaged("a line is no row and begins no table") from None
            if head.table in self._rows:
                raise self.damaged(f"the table {head.table!r} is in it twice")
            if len(self._rows) == _MAX_TABLES:
                raise self.damaged(f"it has more than {_MAX_TABLES} tables")
            yield head, self._rows_of(head.table)

    def finish(self, authenticate: Authenticate) -> ArchiveEnd:
        """The end of the archive, when everything before it was read and is as it was written."""
        end = end_of(self._rows, self._digest.digest(), authenticate)
        expected = last_member(end)
        if hmac.compare_digest(self._rest, expected):
            return end
        if self._rest.startswith(expected):
            raise self.damaged("something follows its end")
        if _differs_in_its_key(self._rest, end):
            raise ArchiveUnusable(
                f"{self._name} was not written with this master key, or was changed afterwards."
                " Nothing was restored."
            )
        raise self.damaged("it is not as it was written")

    def damaged(self, why: str) -> ArchiveUnusable:
        """The error for an archive that is not as it was written."""
        return ArchiveUnusable(f"{self._name} is damaged: {why}. Nothing was restored.")

    def _read_header(self) -> Header:
        try:
            header = Header.model_validate_json(next(self._lines, b""))
        except (ValidationError, ArchiveUnusable):
            raise ArchiveUnusable(f"{self._name} is not a backup of an issuer.") from None
        if header.version > VERSION:
            raise ArchiveUnusable(
                f"{self._name} has format {header.version}, and this issuer reads format {VERSION}:"
                " upgrade the issuer."
            )
        self._line = next(self._lines, None)
        return header

    def _short(self, line: bytes) -> bytes:
        if len(line) > _MAX_LINE:
            raise self.damaged("a line is too long")
        return line

    def _rows_of(self, table: str) -> Iterator[Row]:
        self._rows[table] = 0
        self._line = next(self._lines, None)
        while self._line is not None and self._line.startswith(b"["):
            self._rows[table] += 1
            try:
                row: Row = json.loads(self._line)
            except (ValueError, RecursionError):
                raise self.damaged(f"a row of the table {table!r} is not JSON") from None
            yield row
            self._line = next(self._lines, None)

    def _decompress(self) -> Iterator[bytes]:
        """The lines of the first gzip member."""
        decompressing = zlib.decompressobj(wbits=GZIP)
        started = b""
        left = _UNVERIFIED
        while not decompressing.eof:
            if not (piece := self._file.read(_PIECE)):
                raise self.damaged("it ends too early")
            try:
                content = decompressing.decompress(piece)
            except zlib.error as error:
                raise self.damaged(str(error)) from None
            left += _UNVERIFIED_RATIO * len(piece) - len(content)
            if self._bounded and left < 0:
                raise ArchiveUnusable(
                    f"{self._name} decompresses to more than {_UNVERIFIED_RATIO} times its size:"
                    " restore it from a file, which is verified before anything is written."
                )
            *lines, started = (started + content).split(b"\n")
            self._digest.update(piece[: len(piece) - len(decompressing.unused_data)])
            self._rest = decompressing.unused_data
            for line in lines:
                yield self._short(line)
            self._short(started)
        self._rest += self._file.read(_MAX_LAST_MEMBER)
        if started:
            raise self.damaged("its last line has no end")


def _differs_in_its_key(member: bytes, end: ArchiveEnd) -> bool:
    try:
        said = ArchiveEnd.model_validate_json(gzip.decompress(member))
    except (OSError, EOFError, zlib.error, ValidationError):
        return False
    return said == end.model_copy(update={"mac": said.mac})
