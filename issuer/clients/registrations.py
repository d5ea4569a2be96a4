"""Clients that register themselves (RFC 7591): bounded, and deleted when nobody uses them."""

from datetime import timedelta

from issuer.clients.client import Client, ClientFields
from issuer.clients.clients import Clients
from issuer.clients.store import ClientStore
from issuer.clock import Clock
from issuer.database import Session
from issuer.errors import Unavailable
from issuer.vocabulary import RegisteredBy

MAX_CLIENTS = 10_000
UNUSED_FOR = timedelta(days=90)
# How long a client that nobody has used yet keeps its place when there is no other.
NEW_FOR = timedelta(hours=1)
_AT_ONCE = 100


class Registrations:
    """Within the transaction of `clients`."""

    def __init__(
        self, session: Session, clients: Clients, clock: Clock, most: int = MAX_CLIENTS
    ) -> None:
        self._store = ClientStore(session)
        self._clients = clients
        self._clock = clock
        self._most = most

    def register(self, fields: ClientFields) -> Client:
        """The client, with its first secret if it has one; `Unavailable` if there are too many.

        A flood of registrations takes only the places of clients that were never used.
        """
        if self._store.count_registered() >= self._most:
            before = self._clock() - NEW_FOR
            if not self._delete(self._store.never_used(before, _AT_ONCE)):
                raise Unavailable("Too many clients have registered themselves.", retry_after=60)
        return self._clients.register(fields, RegisteredBy.REGISTRATION)

    def count(self) -> int:
        """How many clients have registered themselves."""
        return self._store.count_registered()

    def delete_unused(self) -> int:
        """Delete some of the clients that were not used for long; how many."""
        return self._delete(self._store.unused_since(self._clock() - UNUSED_FOR, _AT_ONCE))

    def _delete(self, client_ids: list[str]) -> int:
        for client_id in client_ids:
            self._clients.delete_unused(client_id)
        return len(client_ids)
