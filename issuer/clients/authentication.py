"""Authenticating a client by its secret: one error and one duration for everything wrong."""

from datetime import datetime

from issuer.clients.secrets import SecretMaker
from issuer.clock import Clock
from issuer.directory import ClientRecord, Directory
from issuer.errors import InvalidCredentials, IssuerError
from issuer.fields import is_principal_id


class NeedsDatabase(IssuerError):
    """Memory alone cannot say: ask again from a thread that may query."""


class ClientAuthentication:
    """Memory first. Whatever memory does not confirm is looked up, exactly once.

    So a secret made a moment ago works at once, and an unknown client costs the same as a
    wrong secret: one lookup.
    """

    def __init__(self, directory: Directory, secrets: SecretMaker, clock: Clock) -> None:
        self._directory = directory
        self._secrets = secrets
        self._clock = clock

    def authenticate(self, client_id: str, secret: str, *, may_query: bool) -> ClientRecord:
        """The client whose secret this is.

        `InvalidCredentials` otherwise, `NeedsDatabase` if that cannot be said from memory.
        """
        now = self._clock()
        remembered = self._directory.remembered_client(client_id)
        if self._refusal(remembered, secret, now) is None and remembered is not None:
            return remembered
        if not may_query:
            raise NeedsDatabase("The client is not remembered.")
        # No client has an id with other characters, and PostgreSQL refuses to look for NUL:
        # nobody's id is looked up instead.
        record = self._directory.load_client(client_id if is_principal_id(client_id) else "")
        refusal = self._refusal(record, secret, now)
        if record is None or refusal is not None:
            raise InvalidCredentials(refusal or "unknown client")
        return record

    def _refusal(self, client: ClientRecord | None, secret: str, now: datetime) -> str | None:
        client_id, live = (client.client_id, client.live_digests(now)) if client else ("", [])
        matches = self._secrets.matches(client_id, secret, live)
        if client is None:
            return "unknown client"
        if not matches:
            return "wrong secret"
        return "disabled client" if client.disabled else None
