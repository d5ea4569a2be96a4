"""Client secrets, and authenticating a client: every failure has the same error and duration.

A secret is a prefix, 256 random bits and check digits, so that secret scanners find it in a
log or a repository. That much randomness needs no password hash. The database stores an HMAC;
its key is encrypted there, so write access to the database is not enough to add a secret.
"""

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from issuer.clients.store import ClientStore
from issuer.database import Database
from issuer.directory import ClientRecord, Directory, SecretRecord
from issuer.errors import InvalidCredentials
from issuer.federation.fetching import FetchNeeded
from issuer.fields.secret_text import random_characters, with_check_digits
from issuer.vocabulary import AuthMethod

if TYPE_CHECKING:
    from issuer.clients.documents import ClientDocuments

PREFIX = "ais_"
_DECOY = SecretRecord("", bytes(32), None)
WRITE_EVERY = timedelta(seconds=10)


def scim_token(client_id: str, secret: str) -> str:
    """The one text that Entra and Okta keep and send: id and secret as HTTP Basic has them."""
    return base64.b64encode(f"{client_id}:{secret}".encode()).decode()


class SecretMaker:
    """Makes, digests and verifies secrets. `random` must be a cryptographic source."""

    def __init__(self, hmac_key: bytes, random: Random) -> None:
        self._hmac_key = hmac_key
        self._random = random

    def new(self) -> str:
        """A new secret: `ais_`, 43 random characters, 8 check digits."""
        return with_check_digits(PREFIX + random_characters(self._random))

    def digest(self, client_id: str, secret: str) -> bytes:
        """The stored digest of the client's `secret`: 32 bytes, of no use to another client."""
        return hmac.digest(self._hmac_key, f"{client_id}\n{secret}".encode(), hashlib.sha256)

    def matching(
        self, client_id: str, secret: str, stored: Iterable[SecretRecord]
    ) -> SecretRecord | None:
        """The record in `stored` with this secret of the client. Takes as long without a match."""
        digest = self.digest(client_id, secret)
        matching = None
        # All records and a decoy: the duration tells neither the position of a match nor the count.
        for record in (*stored, _DECOY):
            if hmac.compare_digest(digest, record.digest) and record is not _DECOY:
                matching = record
        return matching


class LastUse:
    """When each secret, and each client that registered itself, was last used, and from where.

    Adds no database write to a token request. A crash loses a few seconds of data.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._secrets: dict[str, tuple[datetime, str | None]] = {}
        self._clients: dict[str, datetime] = {}

    def note(self, secret: SecretRecord | None, at: datetime, address: str | None) -> None:
        """A client was authenticated just now, with its secret if it has one."""
        if secret is not None:
            with self._lock:
                self._secrets[secret.id] = (at, address)

    def note_token(self, client: ClientRecord, at: datetime) -> None:
        """The client got a token just now, so that a person has allowed it something.

        Authentication alone is no use: anybody can register a client and send its id.
        """
        if client.is_self_registered:
            with self._lock:
                self._clients[client.client_id] = at

    def write(self) -> None:
        """Write the collected uses to the database; on an error they are kept for the next call."""
        with self._lock:
            secrets, self._secrets = self._secrets, {}
            clients, self._clients = self._clients, {}
        if not secrets and not clients:
            return
        try:
            with self._database.transaction() as session:
                ClientStore(session).note_uses(secrets, clients)
        except Exception:
            with self._lock:
                self._secrets = {**secrets, **self._secrets}
                self._clients = {**clients, **self._clients}
            raise


@dataclass(frozen=True, slots=True)
class VerifiedAssertion:
    """Which assertion authenticated a client, for the audit log.

    `issuer` is the id of the trusted issuer; None, as `subject` is, if the client signed it.
    """

    issuer: str | None
    subject: str | None
    jti: str | None

    @property
    def details(self) -> dict[str, object]:
        """What the audit log says of the authentication."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class AuthenticatedClient:
    """A client, and which of its secrets or which assertion it used; neither if it is public."""

    record: ClientRecord
    secret: SecretRecord | None
    assertion: VerifiedAssertion | None = None


@dataclass(eq=False, repr=False)
class ClientAuthentication:
    """A public client is known by its id alone: its grants need a code or a refresh token.

    Checks memory first; what memory does not confirm is looked up in the database, once. So a new
    secret works at once, and an unknown client costs the same as a wrong secret.
    """

    _directory: Directory
    _documents: "ClientDocuments"
    _secrets: SecretMaker

    def from_memory(
        self, client_id: str, secret: str | None, now: datetime
    ) -> AuthenticatedClient | None:
        """The client whose secret is valid at `now`; None if the database must be asked."""
        try:
            return self._confirm(self._directory.remembered_client(client_id), secret, now)
        except InvalidCredentials:
            return None

    def from_database(
        self, client_id: str, secret: str | None, now: datetime, *, is_last: bool
    ) -> AuthenticatedClient | FetchNeeded:
        """The client whose secret is valid at `now`; `InvalidCredentials` otherwise.

        `is_last`: its metadata document was looked at, and is not looked at again.
        """
        stored = self._directory.load_client(client_id)
        client = self._documents.known(stored, is_last=is_last)
        return client if isinstance(client, FetchNeeded) else self._confirm(client, secret, now)

    def _confirm(
        self, client: ClientRecord | None, secret: str | None, now: datetime
    ) -> AuthenticatedClient:
        # Expired ones match too, so that the log can say so: the duration is the same.
        client_id, stored = (client.client_id, client.secrets) if client else ("", ())
        matching = None if secret is None else self._secrets.matching(client_id, secret, stored)
        if client is None:
            raise InvalidCredentials("unknown client")
        if client.token_endpoint_auth_method is not AuthMethod.NONE and matching is None:
            raise InvalidCredentials("no secret" if secret is None else "wrong secret", client_id)
        if secret is not None and matching is None:
            raise InvalidCredentials("a secret of a client that has none", client_id)
        if matching is not None and not matching.is_live(now):
            since = f"{matching.expires_at:%Y-%m-%d %H:%M} UTC"
            raise InvalidCredentials(f"expired secret ({matching.id}, since {since})", client_id)
        if client.disabled:
            raise InvalidCredentials("disabled client", client_id)
        return AuthenticatedClient(client, matching)
