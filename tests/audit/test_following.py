"""A reader gets each event once, in whatever order transactions commit."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

import pytest
from sqlalchemy import Connection, Table, select

from issuer.audit import Actor, AuditEvent, Event
from issuer.audit.chain_store import ChainHead, append
from issuer.audit.following import AuditReader, Bookmark
from issuer.database import Database
from issuer.database.tables import AuditEventRow
from issuer.errors import IssuerError
from tests.audit.conftest import CHAIN_KEY
from tests.rows import rows

EVENTS: Table = AuditEventRow.__table__
AT = datetime(2026, 11, 27, tzinfo=UTC)
STEPS = 150

only_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"])


class SlowWriter:
    """A process whose transactions stay open between their steps."""

    def __init__(self, database: Database, random: Random) -> None:
        self._database = database
        self._random = random
        self._connection: Connection | None = None
        self._begin_chain()

    def _begin_chain(self) -> None:
        self._chain, self._end = f"{self._random.getrandbits(128):032x}", ChainHead()

    @property
    def is_writing(self) -> bool:
        return self._connection is not None

    def write(self, number: int = 1) -> None:
        """Take ids and add events, in a transaction that stays open."""
        self._connection = self._database.engine.connect()
        self._connection.begin()
        events = [Event(AT, Actor("ci-bot"), "token.issued") for _ in range(number)]
        self._next, _ = append(CHAIN_KEY, self._connection, self._chain, self._end, events)

    def finish(self, *, commits: bool = True) -> None:
        """As the writer of a server: after a failure it begins another chain."""
        with self._connection as connection:
            if commits:
                connection.commit()
                self._end = self._next
            else:
                connection.rollback()
                self._begin_chain()
        self._connection = None


@dataclass
class Reader:
    """Reads on from where it was, as in a new process after a `restart`."""

    database: Database
    bookmark: Bookmark = field(default_factory=Bookmark)
    events: list[AuditEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._reader = AuditReader(self.database)
        self.bookmark = Bookmark.parse(str(self.bookmark))

    def read(self, limit: int = 100, stop_after: int | None = None) -> None:
        """A page, or its first events."""
        page = self._reader.page(self.bookmark, limit)
        for event, bookmark in list(page.steps(self.bookmark))[:stop_after]:
            self.events.append(event)
            self.bookmark = bookmark
        if stop_after is None:
            assert page.end(self.bookmark).settled >= self.bookmark.settled
            self.bookmark = page.end(self.bookmark)

    @property
    def ids(self) -> list[int]:
        return [event.id for event in self.events]


def committed(database: Database) -> list[int]:
    with database.engine.connect() as connection:
        return list(connection.scalars(select(EVENTS.c.id).order_by(EVENTS.c.id)))


@only_postgresql
def test_an_event_that_commits_after_later_ids_is_read(database: Database):
    early, late = (SlowWriter(database, Random(seed)) for seed in (1, 2))
    reader = Reader(database)
    early.write()
    for _ in range(3):
        late.write()
        late.finish()
        reader.read()
    assert len(reader.ids) == 3
    reader.restart()
    early.finish()
    reader.read()
    assert reader.ids == [*committed(database)[1:], committed(database)[0]]


@only_postgresql
@pytest.mark.parametrize("seed", range(2))
def test_each_event_is_read_once_whatever_the_order_of_commits(database: Database, seed: int):
    """Readers also stop in the middle of a page, and go on in another process."""
    random = Random(seed)
    writers = [SlowWriter(database, random) for _ in range(4)]
    readers = [Reader(database) for _ in range(2)]
    for _ in range(STEPS):
        writer, reader = random.choice(writers), random.choice(readers)
        match random.choice(["write", "write", "commit", "roll back", "read", "stop", "restart"]):
            case "write" if not writer.is_writing:
                writer.write(random.randint(1, 3))
            case "commit" if writer.is_writing:
                writer.finish()
            case "roll back" if writer.is_writing and random.random() < 0.3:
                writer.finish(commits=False)
            case "read":
                reader.read(limit=random.randint(1, 6))
            case "stop":
                reader.read(limit=6, stop_after=random.randint(0, 5))
            case "restart":
                reader.restart()
    for writer in filter(lambda each: each.is_writing, writers):
        writer.finish()
    for reader in readers:
        for _ in range(len(committed(database)) // 100 + 3):
            reader.read()
        assert sorted(reader.ids) == committed(database)
        assert in_order_of_their_chains(reader.events)
        assert reader.bookmark == Bookmark(committed(database)[-1])


def in_order_of_their_chains(events: list[AuditEvent]) -> bool:
    chains: dict[str, list[int]] = {}
    for event in events:
        chains.setdefault(event.chain, []).append(event.seq)
    return all(numbers == list(range(1, len(numbers) + 1)) for numbers in chains.values())


def test_a_bookmark_is_small_once_all_transactions_have_ended(database: Database):
    reader = Reader(database)
    for seed in range(5):
        writer = SlowWriter(database, Random(seed))
        writer.write(7)
        writer.finish()
    while not reader.ids or len(reader.ids) < 35:
        reader.read(limit=4)
    reader.read()
    assert str(reader.bookmark) == str(committed(database)[-1])


@rows("text", ["", "x", "-1", "1~", "1~a", "1~a=b", "1~A=2", "1=2", "9" * 19])
def test_other_text_is_no_cursor(text: str):
    with pytest.raises(IssuerError, match="not a cursor"):
        Bookmark.parse(text)
