"""What key rotation needs of a database and of a key backend, in memory."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from issuer.clock import Clock
from issuer.database.counts import ChangeCounts, FeedState
from issuer.database.tables import JwksCacheRow, SigningKeyRow
from issuer.errors import ConfigurationError
from issuer.keys.private_key import MadeKey
from issuer.vocabulary import SigningAlgorithm


@dataclass
class StoredRows:
    """The rows that all processes share, and how often they were changed."""

    rows: dict[tuple[type, object], Any] = field(default_factory=dict)
    changes: int = 0


class DiscardingTrail:
    """Discards audit events."""

    def begin(self, *_: object) -> "DiscardingTrail":
        return self

    def note(self, *_: object, **__: object) -> None:
        pass


class Session:
    """As much of SQLAlchemy's as `KeyStore` uses."""

    def __init__(self, rows: dict[tuple[type, object], Any]) -> None:
        self._rows = rows

    def scalars(self, _every_key: object) -> "Session":
        return self

    def all(self) -> list[SigningKeyRow]:
        rows = (row for row in self._rows.values() if isinstance(row, SigningKeyRow))
        return sorted(rows, key=lambda row: row.kid)

    def get(self, kind: type, name: object) -> Any:
        return self._rows.get((kind, name))

    def get_one(self, kind: type, name: object) -> Any:
        return self._rows[kind, name]

    def add(self, row: SigningKeyRow | JwksCacheRow) -> None:
        name = row.kid if isinstance(row, SigningKeyRow) else row.id
        self._rows[type(row), name] = row

    def flush(self) -> None:
        pass


class NoErasure:
    """There are no files to erase."""

    def run(self) -> None:
        pass


class DatabaseInMemory:
    """The database of one process, with its clock. `committed()` is called at each commit."""

    is_sqlite = True  # it has no clock of its own

    def __init__(self, record: StoredRows, clock: Clock, committed: Callable[[], None]) -> None:
        self.erasure = NoErasure()
        self._record = record
        self._clock = clock
        self._committed = committed

    @contextmanager
    def reading(self) -> Iterator[Session]:
        yield Session(self._record.rows)

    @contextmanager
    def changing(self) -> Iterator[Session]:
        """One at a time: no time passes inside."""
        yield Session(self._record.rows)
        self._record.changes += 1
        self._committed()

    def counts(self) -> ChangeCounts:
        never = datetime.min.replace(tzinfo=UTC)
        changes = self._record.changes
        return ChangeCounts(changes, changes, FeedState(0, never), self._clock())


class PrivateParts:
    """A `KeyBackend` of fake keys. Making one takes time, which `meanwhile()` lets pass."""

    _numbers = count()

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile
        self.loaded: set[str] = set()

    def owns(self, _handle: bytes) -> bool:
        return True

    def create(self, alg: SigningAlgorithm, besides: Collection[str] = ()) -> MadeKey:
        self._meanwhile()
        kid = f"{alg}-{next(self._numbers):06}"
        return MadeKey({"kid": kid}, kid.encode())

    def load(self, kid: str, _alg: SigningAlgorithm, handle: bytes) -> Mapping[str, Any]:
        if handle != kid.encode():
            raise ConfigurationError(f"The private key of {kid} is missing.")
        self.loaded.add(kid)
        return {"kid": kid}

    def sign(self, kid: str, _header: Mapping[str, object], _payload: bytes) -> str:
        assert kid in self.loaded, f"{kid} signs without its private key"
        return kid

    def destroy(self, kid: str, _handle: bytes) -> None:
        self.loaded.remove(kid)

    def cleanup(self) -> None:
        pass
