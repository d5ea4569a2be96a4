"""The format of a backup: JSON lines in two gzip members, so that `zcat` shows all of it.

The first member has a header, and for each table a line that names it and a line for each row. The
second has how many rows there are, and a hash and a keyed hash of the first member as stored.
"""

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from issuer.errors import IssuerError

VERSION = 1
MAX_NAME = 64

GZIP = 31  # the `wbits` of zlib for gzip
_LEVEL = 4
_LINES_AT_ONCE = 500

Authenticate: TypeAlias = Callable[[bytes], bytes]
Row: TypeAlias = list[Any]

_encode = json.JSONEncoder(separators=(",", ":")).encode


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
