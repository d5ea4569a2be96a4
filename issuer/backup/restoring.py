"""Restoring an archive into an empty database, in one transaction; what to look at afterwards."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from pydantic import BaseModel

from issuer.audit import Actor, ChainKey, Trails
from issuer.backup import store
from issuer.backup.archive import ArchiveReader, ArchiveUnusable, Header
from issuer.backup.backing_up import authenticate_with, verify
from issuer.backup.encryption import Encryption
from issuer.backup.saved_feed import RevokedAgain, SavedFeed, read_feed, revoke_again
from issuer.clock import Clock
from issuer.composition.foundation import build_sealer
from issuer.database import Connection, Database, Session, current_revision, only_one, portable_rows
from issuer.database.counts import read_feed_state
from issuer.database.migrations import changing_schema, known_revisions, upgrade_to
from issuer.database.only_one import without_servers
from issuer.errors import IssuerError
from issuer.keys import SigningKey
from issuer.keys.schedule import state_at
from issuer.keys.sealed_secrets_store import AUDIT_CHAINS, CLIENT_SECRETS, derive, open_secret
from issuer.keys.sealing import Sealer
from issuer.keys.store import KeyStore
from issuer.provisioning.setup import prepare_data_dir
from issuer.revocations.revocations import AUDIENCE, CLIENT_ID, SUB
from issuer.settings import Settings

_KINDS = {SUB: "Users and clients", CLIENT_ID: "Clients", AUDIENCE: "Audiences"}

_COUNTED = {
    ("users", "clients", "trusted_issuers", "assignments", "memberships", "identities"): (
        "Those that were deleted, disabled, unassigned or removed since are back: do it again."
    ),
    ("client_secrets", "passwords"): (
        "Those that were replaced since work again, and the new ones do not."
    ),
    ("second_factors", "recovery_codes", "invitations"): (
        "Those that were removed or used since work again."
    ),
    ("acting_clients",): (
        "What they got by token exchange since stays valid until it expires, and nothing that it"
        " was exchanged for ends it any more: `issuer client revoke-tokens CLIENT` ends it."
    ),
    ("refresh_families", "sessions"): (
        "Those that ended since work again. A refresh token that was used since is refused, and"
        " ends its family; the one before it works: `issuer user revoke-tokens USER` ends all of a"
        " user."
    ),
}


class Reminder(BaseModel):
    """Something to look at: how many there are, which of them, and what happened to them."""

    what: str
    count: int
    names: list[str] = []
    sentence: str


def reminders(
    header: Header,
    now: datetime,
    counted: Mapping[str, int],
    keys: Sequence[SigningKey],
    feed: SavedFeed | None,
    revoked: RevokedAgain | None,
    names: Mapping[str, str],
) -> list[Reminder]:
    """Only those that this archive has. `keys` are the usable ones after the restore.

    `names` are those of users and clients by id, as far as they have one.
    """
    until = f"{feed.issued_at if feed else header.created_at:%Y-%m-%d %H:%M:%S} UTC"
    advice = "Revoke them again" if feed else "Restore with --revocations, revoke them again"
    found = [
        Reminder(
            what="access_tokens",
            count=1,
            sentence=f"Access tokens that were revoked after {until} are no longer in the feed:"
            f" verifiers that restart accept them until they expire. {advice}, or revoke the"
            " signing keys.",
        ),
        Reminder(
            what="signing_keys",
            count=len(keys),
            names=[f"{key.kid} ({key.alg}, {state_at(keys, key, now)})" for key in keys],
            sentence=f"Signing keys: {len(keys)}. One that was revoked"
            f" {'after the saved feed' if feed else 'since'} works again:"
            " `issuer key revoke KID`.",
        ),
    ]
    found += _of_principals(revoked.principals if revoked else {}, names)
    found += _of_rows(counted)
    event, checkpoint = counted["last_event"], counted["last_checkpoint"]
    sentence = (
        f"Audit events after {event} and checkpoints after {checkpoint} are lost, and their"
        " numbers are used again. `issuer audit verify --checkpoint` reports such a checkpoint as"
        " missing."
    )
    found.append(Reminder(what="audit_events", count=event, sentence=sentence))
    return [each for each in found if each.count]


def _of_principals(
    revoked: Mapping[str, Sequence[str]], names: Mapping[str, str]
) -> Iterator[Reminder]:
    for kind, ids in revoked.items():
        sentence = (
            f"{_KINDS[kind]} all of whose tokens were revoked since: {len(ids)}. They may have"
            " been disabled, changed or deleted then: do it again."
        )
        named = [f"{names[key]} ({key})" if key in names else key for key in ids]
        yield Reminder(what=f"revoked_{kind}", count=len(ids), names=named, sentence=sentence)


def _of_rows(counted: Mapping[str, int]) -> Iterator[Reminder]:
    for whats, verb in _COUNTED.items():
        numbers = {what: counted[what] for what in whats}
        listed = ", ".join(f"{what.replace('_', ' ')}: {n}" for what, n in numbers.items() if n)
        sentence = f"{listed[:1].upper()}{listed[1:]}. {verb}"
        yield Reminder(what=whats[0], count=sum(numbers.values()), sentence=sentence)


@dataclass(frozen=True)
class Restored:
    """What was restored, what a saved feed revoked again, and what an operator has to look at."""

    header: Header
    rows: int
    revoked: RevokedAgain | None
    reminders: list[Reminder]


@dataclass(frozen=True)
class ArchiveSource:
    """An archive that is not read yet. `name` is what errors call it."""

    file: BinaryIO
    name: str
    encryption: Encryption = field(default_factory=Encryption)

    @contextmanager
    def open(self) -> Iterator[ArchiveReader]:
        """From the beginning; a pipe can be opened only once."""
        is_pipe = not self.file.seekable()
        if not is_pipe:
            self.file.seek(0)
        with self.encryption.decrypt(self.file, self.name) as content:
            yield ArchiveReader(content, self.name, bounded=is_pipe)


def restore(
    source: ArchiveSource, settings: Settings, actor: Actor, clock: Clock, feed: bytes | None = None
) -> Restored:
    """Fill the empty database of `settings`; after an error it is as it was.

    A file is verified before anything is written. `IssuerError` if the database is not empty, the
    archive is damaged or of another issuer, master key or program, or the saved `feed` is unusable.
    `ConfigurationError` without a master key.
    """
    sealer = build_sealer(settings)
    if source.file.seekable():
        with source.open() as archive:
            _require_usable(archive.header, settings, sealer)
            verify(archive, sealer)
    with source.open() as archive:
        _require_usable(archive.header, settings, sealer)
        with _empty(settings, archive.header.schema_revision) as connection:
            rows = _fill(connection, archive, sealer)
            upgrade_to("head", connection)
            with store.session_on(connection) as session:
                return _settle(session, archive.header, rows, sealer, actor, clock, feed)


@contextmanager
def _empty(settings: Settings, revision: str) -> Iterator[Connection]:
    """A transaction on the empty database with tables of that `revision`, while nobody uses it."""
    if settings.needs_data_dir:
        prepare_data_dir(settings.data_dir)
    database = Database(settings.effective_database_url)
    try:
        current_revision(database)
        with (
            without_servers(database, "restore"),
            only_one(database, "restore"),
            changing_schema(database) as connection,
        ):
            portable_rows.without_time_limit(connection)
            _make_empty(database, connection, revision)
            yield connection
    finally:
        database.dispose()


def _require_usable(header: Header, settings: Settings, sealer: Sealer) -> None:
    if header.schema_revision not in known_revisions():
        raise ArchiveUnusable(
            f"The backup has the schema {header.schema_revision}, which is newer than this issuer:"
            " upgrade the issuer."
        )
    if header.issuer != settings.url:
        raise IssuerError(
            f"ISSUER_URL is {settings.url}, but the backup is of {header.issuer}: set"
            f" ISSUER_URL={header.issuer}. `issuer admin change-url` can move it afterwards."
        )
    if not sealer.holds(bytes.fromhex(header.master_key)):
        raise IssuerError(
            f"The master key is not the one of the backup, whose fingerprint is"
            f" {header.master_key}: use the master key of that time."
        )


def _make_empty(database: Database, connection: Connection, revision: str) -> None:
    """Tables of that `revision`, which may be older than those that are there."""
    if filled := store.filled_tables(connection):
        raise IssuerError(
            f"The database ({database.safe_url}) is not empty: it has rows in"
            f" {', '.join(filled[:3])}. Restore into a new database, or delete this one before."
        )
    if others := store.drop_our_tables(connection):
        raise IssuerError(
            f"The database ({database.safe_url}) has tables of another application:"
            f" {', '.join(others[:3])}. Name a database of its own for the issuer."
        )
    upgrade_to(revision, connection)


def _fill(connection: Connection, archive: ArchiveReader, sealer: Sealer) -> int:
    """Write every row, and require that all is as it was written; how many rows."""
    tables = portable_rows.data_tables(connection)
    store.delete_rows(connection, tables.values())
    missing = set(tables)
    for head, rows in archive.tables():
        table = tables.get(head.table)
        if table is None or {column.name for column in table.columns} != set(head.columns):
            raise archive.damaged(f"its schema has no table {head.table!r} with these columns")
        try:
            portable_rows.write_rows(connection, table, head.columns, rows)
        except portable_rows.UnfitRow as error:
            raise archive.damaged(f"the table {head.table!r} refuses a row: {error}") from None
        missing.remove(head.table)
    end = archive.finish(authenticate_with(sealer, bytes.fromhex(archive.header.master_key)))
    if missing:
        raise archive.damaged(f"the table {min(missing)!r} is not in it")
    portable_rows.continue_ids(connection, tables.values())
    return sum(end.rows.values())


def _settle(
    session: Session,
    header: Header,
    rows: int,
    sealer: Sealer,
    actor: Actor,
    clock: Clock,
    feed: bytes | None,
) -> Restored:
    """What must differ from the archive: counters, what may have been used since, revocations."""
    now = clock()
    saved = None
    if feed is not None:
        keys, known_at = KeyStore(session).stored().keys, read_feed_state(session).issued_at
        saved = read_feed(feed, keys, header.issuer, known_at, now)
    change = store.move_counters_on(session, now, saved.issued_at if saved else now)
    store.delete_unused_codes(session)
    chain_key = ChainKey(derive(open_secret(session, sealer, CLIENT_SECRETS), AUDIT_CHAINS))
    trail = Trails(chain_key, clock).begin(session, actor)
    last = store.last_of_audit_log(session)  # before this adds events
    revoked = revoke_again(session, trail, clock, saved, change) if saved else None
    trail.note(
        "database.restored",
        None,
        snapshot_at=header.created_at.isoformat(),
        rows=rows,
        revoked=revoked.as_details() if revoked else None,
    )
    found = store.counted(session, now) | last
    usable = [key for key in KeyStore(session).stored().keys if key.is_usable]
    principals = revoked.principals.values() if revoked else ()
    names = store.names_of(session, {each for ids in principals for each in ids})
    look_at = reminders(header, now, found, usable, saved, revoked, names)
    return Restored(header, rows, revoked, look_at)
