"""A cache of client records, emptied when anything has changed but people."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.database.counts import read_count_in_memory
from issuer.directory import store
from issuer.directory.records import (
    ActingClient,
    AudienceRecord,
    ClientRecord,
    TrustedIssuerRecord,
    UserRecord,
)
from issuer.errors import NotFound
from issuer.fields.urls import is_client_id

_MAX_REMEMBERED = 200_000


@dataclass(eq=False, repr=False)
class Directory:
    """Records of clients and users. `remembered_…` never queries, `load_…` always does.

    A client that is not `accepted` is unknown; one by a document to be read is not remembered.
    """

    _database: Database
    _clock: Clock
    _own_audience: str
    _accepted: Callable[[ClientRecord], bool]

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._count = -1
        self._clients: OrderedDict[str, ClientRecord] = OrderedDict()
        self._trusted_issuers: dict[str, TrustedIssuerRecord] = {}
        self._issuers_of_people: tuple[TrustedIssuerRecord, ...] | None = None

    def forget(self, count: int) -> None:
        """Empty the cache: the change counter is now `count`."""
        with self._lock:
            self._count = count
            self._clients.clear()
            self._trusted_issuers.clear()
            self._issuers_of_people = None

    def remembered_client(self, client_id: str) -> ClientRecord | None:
        """The client in memory, until one of its rights has ended. For the event loop: no query."""
        record = self._clients.get(client_id)
        if record is None or (end := record.rights.next_end) is None or self._clock() < end:
            return record
        return None

    def client(self, client_id: str) -> ClientRecord | None:
        """The client: from memory, else as the database has it now."""
        return self.remembered_client(client_id) or self.load_client(client_id)

    def load_client(self, client_id: str) -> ClientRecord | None:
        with self._database.reading() as session:
            # Read first, so that the rows are at least as new as the count.
            count = read_count_in_memory(session)
            record = self.client_in(session, client_id)
        if record is not None and not record.is_fetched:
            self._remember(count, record)
        return record

    def client_in(self, session: Session, client_id: str) -> ClientRecord | None:
        record = store.load_client(session, _possible(client_id), self._own_audience, self._clock())
        return record if record is not None and self._accepted(record) else None

    def clients_trusting(self, subject: str, limit: int) -> list[str]:
        """Ids of clients with a trust that names the subject, as the database has them now."""
        with self._database.reading() as session:
            return store.clients_trusting(session, subject, limit)

    def new_client(self, client_id: str) -> ClientRecord:
        """The client of a metadata document, before a person has allowed it anything."""
        with self._database.reading() as session:
            return store.new_client(session, client_id, self._own_audience)

    def load_user(self, user_id: str) -> UserRecord | None:
        """The user as the database has it now. Users sign in rarely, and are not remembered."""
        return self.load_users([user_id]).get(user_id)

    def load_users(self, user_ids: Collection[str]) -> dict[str, UserRecord]:
        """The users that exist, by id, as the database has them now."""
        with self._database.reading() as session:
            ids = list(filter(is_client_id, user_ids))
            return store.load_users(session, ids, self._clock())

    def remembered_trusted_issuer(self, issuer_id: str) -> TrustedIssuerRecord | None:
        """The trusted issuer, if it is in memory. Never queries: fit for the event loop."""
        return self._trusted_issuers.get(issuer_id)

    def trusted_issuer(self, issuer_id: str) -> TrustedIssuerRecord | None:
        """The trusted issuer: from memory, else as the database has it now."""
        remembered = self.remembered_trusted_issuer(issuer_id)
        if remembered is not None:
            return remembered
        with self._database.reading() as session:
            count = read_count_in_memory(session)
            record = store.load_trusted_issuer(session, issuer_id)
        if record is not None:
            with self._lock:
                if count == self._count:
                    self._trusted_issuers[record.id] = record
        return record

    def issuers_of_people(self) -> tuple[TrustedIssuerRecord, ...]:
        """The trusted issuers where people sign in, in order of id, also disabled ones."""
        if (remembered := self._issuers_of_people) is not None:
            return remembered
        with self._database.reading() as session:
            count = read_count_in_memory(session)
            records = store.load_issuers_of_people(session)
        with self._lock:
            if count == self._count:
                self._issuers_of_people = records
        return records

    @property
    def remembers_issuers_of_people(self) -> bool:
        return self._issuers_of_people is not None

    def load_audience(self, audience_id: str) -> AudienceRecord:
        """The audience as the database has it now; `NotFound` otherwise."""
        with self._database.reading() as session:
            record = store.load_audience(session, audience_id, self._own_audience)
        if record is None:
            raise NotFound("audience", audience_id)
        return record

    def load_acting_clients(
        self, client: ClientRecord, audience_id: str
    ) -> tuple[ActingClient, ...]:
        """Which clients may act for people, and where, with the client's token for the audience."""
        with self._database.reading() as session:
            return store.load_acting_clients(session, client, audience_id)

    def _remember(self, count: int, record: ClientRecord) -> None:
        with self._lock:
            if count != self._count:
                return  # either this process or this record has missed a change
            self._clients[record.client_id] = record
            if len(self._clients) > _MAX_REMEMBERED:
                self._clients.popitem(last=False)


def _possible(principal_id: str) -> str:
    """The id, or one that does not exist: PostgreSQL raises an error for NUL in a query."""
    return principal_id if is_client_id(principal_id) else ""
