"""Authenticating a client: every failure has the same error and duration."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from issuer.clients.secrets import SecretMaker
from issuer.directory import ClientRecord, Directory, SecretRecord
from issuer.errors import InvalidCredentials
from issuer.vocabulary import AuthMethod

if TYPE_CHECKING:
    from issuer.clients.documents import ClientDocuments


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
        members = {"issuer": self.issuer, "subject": self.subject, "jti": self.jti}
        return {name: value for name, value in members.items() if value is not None}


@dataclass(frozen=True, slots=True)
class AuthenticatedClient:
    """A client, and which of its secrets or which assertion it used; neither if it is public."""

    record: ClientRecord
    secret: SecretRecord | None
    assertion: VerifiedAssertion | None = None


@dataclass(frozen=True, slots=True)
class PresentedAssertion:
    """An assertion, not yet checked. `is_known`: this request has used it itself.

    `is_last`: keys and document of the client were looked at, and are not looked at again.
    """

    client_id: str
    text: str = field(repr=False)
    is_known: bool = False
    is_last: bool = False


KeyFetch: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class FetchNeeded:
    """The key of an assertion is not known here, or the metadata document of a client is old.

    Await `fetch_keys`, which is bounded, and try again.
    """

    fetch_keys: KeyFetch


class ClientAuthentication:
    """A public client is known by its id alone: its grants need a code or a refresh token.

    Checks memory first; what memory does not confirm is looked up in the database, once.

    So a new secret works at once, and an unknown client costs the same as a wrong secret: one
    lookup.
    """

    def __init__(
        self, directory: Directory, documents: "ClientDocuments", secrets: SecretMaker
    ) -> None:
        self._directory = directory
        self._documents = documents
        self._secrets = secrets

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
        matching = None if secret is None else self._matching(client, secret)
        if client is None:
            raise InvalidCredentials("unknown client")
        if client.token_endpoint_auth_method is not AuthMethod.NONE and matching is None:
            raise InvalidCredentials("no secret" if secret is None else "wrong secret")
        if secret is not None and matching is None:
            raise InvalidCredentials("a secret of a client that has none")
        if matching is not None and not matching.is_live(now):
            raise InvalidCredentials(_expired(matching))
        if client.disabled:
            raise InvalidCredentials("disabled client")
        return AuthenticatedClient(client, matching)

    def _matching(self, client: ClientRecord | None, secret: str) -> SecretRecord | None:
        """Expired ones too, so that the log can say so; the duration is that of a wrong secret."""
        client_id, stored = (client.client_id, client.secrets) if client else ("", ())
        return self._secrets.matching(client_id, secret, stored)


def _expired(secret: SecretRecord) -> str:
    return f"expired secret ({secret.id}, since {secret.expires_at:%Y-%m-%d %H:%M} UTC)"
