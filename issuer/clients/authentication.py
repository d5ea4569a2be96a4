"""Authenticating a client by its secret: one error and one duration for everything wrong."""

from issuer.clients.secrets import SecretMaker
from issuer.clock import Clock
from issuer.directory import ClientRecord, Directory, SecretRecord
from issuer.errors import InvalidCredentials, IssuerError


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

    def authenticate(
        self, client_id: str, secret: str, *, may_query: bool
    ) -> tuple[ClientRecord, SecretRecord]:
        """The client whose secret this is, and which of its secrets.

        `InvalidCredentials` otherwise, `NeedsDatabase` if that cannot be said from memory.
        """
        try:
            return self._confirm(self._directory.remembered_client(client_id), secret)
        except InvalidCredentials:
            if not may_query:
                raise NeedsDatabase("The client is not remembered.") from None
        return self._confirm(self._directory.load_client(client_id), secret)

    def _confirm(
        self, client: ClientRecord | None, secret: str
    ) -> tuple[ClientRecord, SecretRecord]:
        client_id, live = (
            (client.client_id, client.live_secrets(self._clock())) if client else ("", [])
        )
        matching = self._secrets.matching(client_id, secret, live)
        if client is None:
            raise InvalidCredentials("unknown client")
        if matching is None:
            raise InvalidCredentials("wrong secret")
        if client.disabled:
            raise InvalidCredentials("disabled client")
        return client, matching
