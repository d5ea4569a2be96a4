"""The format of archives: nothing but what was written is accepted."""

import gzip
import hashlib
import hmac
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.backup.archive import ArchiveReader, ArchiveUnusable, ArchiveWriter, Header, TableHead
from tests.rows import rows

HEADER = Header(
    version=1,
    schema_revision="0001",
    issuer="https://id.example",
    created_at=datetime(2026, 11, 25, tzinfo=UTC),
    database="sqlite",
    master_key="00112233",
)
TABLES = {"roles": [["reader", '["agents:read"]'], ["runner", None]], "users": []}

values = st.none() | st.booleans() | st.integers() | st.text()
tables = st.dictionaries(st.text(min_size=1, max_size=64), st.lists(st.lists(values)))


def keyed(content: bytes) -> bytes:
    return hmac.digest(b"master", content, "sha256")


def written(tables: dict[str, list] = TABLES, header: Header = HEADER) -> bytes:
    found = [(TableHead(table=name, columns=["a", "b"]), rows) for name, rows in tables.items()]
    return b"".join(ArchiveWriter(header, keyed).pieces(found))


def read(archive: bytes, key=keyed, *, bounded: bool = False) -> dict[str, list]:
    reader = ArchiveReader(io.BytesIO(archive), "the.backup", bounded=bounded)
    found = {head.table: list(rows) for head, rows in reader.tables()}
    reader.finish(key)
    return found


@given(tables)
def test_rows_are_read_as_they_were_written(tables: dict[str, list]):
    assert read(written(tables)) == tables


def test_an_archive_larger_than_the_pieces_it_is_read_in():
    rows = [[n, hashlib.sha256(str(n).encode()).hexdigest()] for n in range(5_000)]
    archive = written({"users": rows})
    assert len(archive) > 100_000
    assert read(archive) == {"users": rows}


def test_every_bit_that_is_changed_is_noticed():
    archive = written()
    for place in range(8 * len(archive)):
        changed = bytearray(archive)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(ArchiveUnusable):
            read(bytes(changed))


def test_every_truncation_and_addition_is_noticed():
    archive = written()
    for size in range(len(archive)):
        with pytest.raises(ArchiveUnusable):
            read(archive[:size])
    for addition in (b"\n", b"\x00", archive):
        with pytest.raises(ArchiveUnusable, match="something follows its end"):
            read(archive + addition)


def test_an_archive_that_was_changed_with_its_hash_needs_the_master_key():
    with pytest.raises(ArchiveUnusable, match="not written with this master key"):
        read(written(), lambda content: hmac.digest(b"other", content, "sha256"))


def test_common_tools_show_what_is_in_it():
    first, *_, last = gzip.decompress(written()).splitlines()
    assert json.loads(first)["format"] == "agentos-issuer-backup"
    assert json.loads(last)["rows"] == {"roles": 2, "users": 0}


@rows("content", [b"", b"hello", gzip.compress(b"{}\n", mtime=0), gzip.compress(b"[", mtime=0)])
def test_another_file_is_no_backup(content: bytes):
    with pytest.raises(ArchiveUnusable, match="is not a backup of an issuer"):
        read(content)


def test_a_later_format_says_so():
    with pytest.raises(ArchiveUnusable, match="has format 2, and this issuer reads format 1"):
        read(written(header=HEADER.model_copy(update={"version": 2})))


def test_a_line_without_end_does_not_fill_the_memory():
    for end in (b"", b"\n"):
        line = b"[" * (4 * 1024**2 + 1) + end
        bomb = gzip.compress(HEADER.model_dump_json().encode() + b"\n" + line)
        with pytest.raises(ArchiveUnusable, match="a line is too long"):
            read(bomb)


def test_what_cannot_be_verified_first_decompresses_to_a_hundred_times_its_size_at_most():
    archive = written({"users": [["x" * 3_000_000]] * 30})
    assert len(read(archive)["users"]) == 30
    with pytest.raises(ArchiveUnusable, match="more than 100 times its size: restore it from"):
        read(archive, bounded=True)


def test_an_archive_has_a_bounded_number_of_tables():
    with pytest.raises(ArchiveUnusable, match="more than 1000 tables"):
        read(written({str(n): [] for n in range(1_001)}))
