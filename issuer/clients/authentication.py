"""Authenticating a client by its secret: every failure has the same error and duration."""

from dataclasses import dataclass
from datetime import datetime

from issuer.clients.secrets import SecretMaker
from issuer.directory import ClientRecord, Directory, SecretRecord
from issuer.errors import InvalidCredentials


@dataclass(frozen=True, slots=True)
class AuthenticatedClient:
    """A client, and which of its secrets it used."""

    record: ClientRecord
    secret: SecretRecord


class ClientAuthentication:
    """Checks memory first; what memory does not confirm is looked up in the database, once.

    So a new secret works at once, and an unknown client costs the same as a wrong secret: one
    lookup.
    """

    def __init__(self, directory: Directory, secrets: SecretMaker) -> None:
        self._directory = directory
        self._secrets = secrets

    def from_memory(self, client_id: str, secret: str, now: datetime) -> AuthenticatedClient | None:
        """The client whose secret is valid at `now`; None if the database must be asked."""
        try:
            return self._confirm(self._directory.remembered_client(client_id), secret, now)
        except InvalidCredentials:
            return None

    def from_database(self, client_id: str, secret: str, now: datetime) -> AuthenticatedClient:
        """The client whose secret is valid at `now`; `InvalidCredentials` otherwise."""
        return self._confirm(self._directory.load_client(client_id), secret, now)

    def _confirm(
        self, client: ClientRecord | None, secret: str, now: datetime
    ) -> AuthenticatedClient:
        client_id, valid = (client.client_id, client.live_secrets(now)) if client else ("", [])
        matching = self._secrets.matching(client_id, secret, valid)
        if client is None:
            raise InvalidCredentials("unknown client")
        if matching is None:
            raise InvalidCredentials("wrong secret")
        if client.disabled:
            raise InvalidCredentials("disabled client")
        return AuthenticatedClient(client, matching)
