"""The format of a backup: JSON lines in two gzip members, so that `zcat` shows all of it.

The first member has a header, and for each table a line that names it and a line for each row. The
second has how many rows there are, and a hash and a keyed hash of the first member as stored.
"""

import gzip
import hmac
import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Annotated, Any, BinaryIO, Literal, TypeAlias

from pydantic import BaseModel, Field, ValidationError

from issuer.errors import IssuerError

VERSION = 1
MAX_NAME = 64

GZIP = 31  # the `wbits` of zlib for gzip
_LEVEL = 4
_LINES_AT_ONCE = 500

Authenticate: TypeAlias = Callable[[bytes], bytes]
Row: TypeAlias = list[Any]

_encode = json.JSONEncoder(separators=(",", ":")).encode
# Of compressed bytes; decompressed they are at most a thousand times as many.
_PIECE = 16 * 1024
_MAX_LINE = 4 * 1024 * 1024
_MAX_LAST_MEMBER = 64 * 1024
_MAX_TABLES = 1000
# What is read only once goes into the database before it is known to be genuine.
_UNVERIFIED = 64 * 1024 * 1024
_UNVERIFIED_RATIO = 100


class ArchiveUnusable(IssuerError):
    """The archive cannot be restored: `str()` says why."""


class Header(BaseModel):
    """What an archive is of. `master_key` is the mark of the master key, which is not in it."""

    format: Literal["agentos-issuer-backup"] = "agentos-issuer-backup"
    version: int = Field(ge=1)
    schema_revision: str = Field(max_length=64)
    issuer: str = Field(max_length=255)
    created_at: datetime
    database: Literal["sqlite", "postgresql"]
    master_key: str = Field(pattern="^[0-9a-f]{8}$")


class TableHead(BaseModel):
    """The line before the rows of a table."""

    table: str = Field(max_length=MAX_NAME)
    columns: list[Annotated[str, Field(max_length=MAX_NAME)]]


class ArchiveEnd(BaseModel):
    """The last line. `sha256` and `mac` are of the first gzip member, as stored."""

    rows: dict[str, int]
    sha256: str
    mac: str


Tables: TypeAlias = Iterable[tuple[TableHead, Iterable[Row]]]


class ArchiveWriter:
    """Makes an archive; `end` is what it ends with, once all `pieces` were taken."""

    def __init__(self, header: Header, authenticate: Authenticate) -> None:
        self.header = header
        self.end: ArchiveEnd | None = None
        self._authenticate = authenticate
        self._rows: dict[str, int] = {}

    def pieces(self, tables: Tables) -> Iterator[bytes]:
        """The bytes of the archive, with `tables` in this order."""
        digest = sha256()
        compressing = zlib.compressobj(_LEVEL, wbits=GZIP)
        for text in _join(self._lines(tables)):
            if compressed := compressing.compress(text):
                digest.update(compressed)
                yield compressed
        digest.update(compressed := compressing.flush())
        yield compressed
        self.end = end_of(self._rows, digest.digest(), self._authenticate)
        yield last_member(self.end)

    def _lines(self, tables: Tables) -> Iterator[str]:
        yield self.header.model_dump_json()
        for head, rows in tables:
            yield head.model_dump_json()
            self._rows[head.table] = 0
            for row in rows:
                self._rows[head.table] += 1
                yield _encode(row)


def _join(lines: Iterable[str]) -> Iterator[bytes]:
    """Many lines at once: compressing each alone would take twice as long."""
    left = iter(lines)
    while some := list(islice(left, _LINES_AT_ONCE)):
        yield "".join(f"{line}\n" for line in some).encode()


def end_of(rows: dict[str, int], digest: bytes, authenticate: Authenticate) -> ArchiveEnd:
    """The last line after so many `rows` of each table, and a first member of that `digest`."""
    return ArchiveEnd(rows=rows, sha256=digest.hex(), mac=authenticate(digest).hex())


def last_member(end: ArchiveEnd) -> bytes:
    """A gzip member that stores the line without compressing it (RFC 1951 §3.2.4, RFC 1952 §2.3).

    So the same line always gives the same bytes, and a reader can compare all of them.
    """
    line = f"{end.model_dump_json()}\n".encode()
    size = len(line)
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    block = struct.pack("<BHH", 1, size, size ^ 0xFFFF) + line
    return head + block + struct.pack("<II", zlib.crc32(line), size)


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
