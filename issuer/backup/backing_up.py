"""Writing a backup while servers run."""

import os
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from issuer.audit import Actor
from issuer.backup.archive import (
    VERSION,
    ArchiveReader,
    ArchiveWriter,
    Authenticate,
    Header,
    TableHead,
    Tables,
)
from issuer.backup.encryption import Encryption
from issuer.composition.foundation import Foundation
from issuer.database import Connection
from issuer.database.deployment import recorded_issuer, revision_in
from issuer.database.portable_rows import data_tables, read_rows
from issuer.errors import IssuerError
from issuer.files import new_private_file, synchronise
from issuer.keys.sealed_secrets_store import current_mark
from issuer.keys.sealing import Sealer, is_ciphertext
from issuer.keys.store import KeyStore

_BACKUP = "backup"


@dataclass(frozen=True)
class BackedUp:
    """What was written. `key_files` are private keys in files, which are not in the archive."""

    created_at: datetime
    rows: int
    sha256: str
    is_encrypted: bool
    key_files: int


def authenticate_with(sealer: Sealer, mark: bytes) -> Authenticate:
    """The keyed hash for archives of a database that is sealed under the master key of `mark`."""
    return partial(sealer.authenticate, name=_BACKUP, mark=mark)


def back_up_to(
    path: Path, foundation: Foundation, actor: Actor, encryption: Encryption, *, force: bool
) -> BackedUp:
    """Write a private file, read it again, and audit that. Leaves no file after an error.

    `ArchiveUnusable` if what was read again is not what was written. `IssuerError` if `path` is a
    file that the issuer needs.
    """
    _require_replaceable(path, foundation)
    with new_private_file(path, force=force) as (file, unnamed):
        written = _write(foundation, encryption, file)
        synchronise(file)
        with unnamed.open("rb") as stored, encryption.decrypt(stored, str(path)) as content:
            verify(ArchiveReader(content, str(path)), foundation.sealer)
        _audit(foundation, actor, written)
    return written


def _require_replaceable(path: Path, foundation: Foundation) -> None:
    """`force` must not replace the master key, a signing key or the database."""
    settings, url = foundation.settings, foundation.database.url
    place = path.parent.resolve() / path.name
    folders = [each.resolve() for each in (settings.data_dir, settings.key_folder) if each]
    is_needed = any(place.is_relative_to(folder) for folder in folders)
    if foundation.database.is_sqlite:
        is_needed |= str(place).startswith(str(Path(str(url.database)).resolve()))
    if is_needed and os.path.lexists(place):
        raise IssuerError(f"{path} exists and may be a file that the issuer needs: name another.")


def back_up_into(
    stream: BinaryIO, foundation: Foundation, actor: Actor, encryption: Encryption
) -> BackedUp:
    """Write a backup into a stream, which cannot be read again."""
    written = _write(foundation, encryption, stream)
    stream.flush()
    _audit(foundation, actor, written)
    return written


def _write(foundation: Foundation, encryption: Encryption, file: BinaryIO) -> BackedUp:
    """All from one snapshot, which is not older than its time."""
    now = foundation.clock()
    with foundation.database.reading() as session:
        header = Header(
            version=VERSION,
            schema_revision=revision_in(session.connection()) or "",
            issuer=recorded_issuer(session),
            created_at=now,
            database="sqlite" if foundation.database.is_sqlite else "postgresql",
            master_key=current_mark(session).hex(),
        )
        authenticate = authenticate_with(foundation.sealer, bytes.fromhex(header.master_key))
        writer = ArchiveWriter(header, authenticate)
        encryption.encrypt(writer.pieces(_tables(session.connection())), file)
        handles = KeyStore(session).stored().handles.values()
    assert writer.end is not None
    return BackedUp(
        created_at=header.created_at,
        rows=sum(writer.end.rows.values()),
        sha256=writer.end.sha256,
        is_encrypted=encryption.is_on,
        key_files=sum(not is_ciphertext(handle) for handle in handles),
    )


def _tables(connection: Connection) -> Tables:
    for name, table in data_tables(connection).items():
        columns = [column.name for column in table.columns]
        yield TableHead(table=name, columns=columns), read_rows(connection, table)


def verify(archive: ArchiveReader, sealer: Sealer) -> None:
    """Read all of it; `ArchiveUnusable` unless it is as it was written with this master key."""
    for _, rows in archive.tables():
        for _ in rows:
            pass
    archive.finish(authenticate_with(sealer, bytes.fromhex(archive.header.master_key)))


def _audit(foundation: Foundation, actor: Actor, written: BackedUp) -> None:
    with foundation.database.changing() as session:
        foundation.trails.begin(session, actor).note(
            "backup.created",
            None,
            snapshot_at=written.created_at.isoformat(),
            rows=written.rows,
            sha256=written.sha256,
            encrypted=written.is_encrypted,
        )
