"""The rules for clients."""

from random import Random
from typing import Any

from issuer.audiences.store import AudienceStore
from issuer.clients.client import (
    CLIENT,
    Client,
    ClientFields,
    ClientSecret,
    NewClient,
    SecretFields,
)
from issuer.clients.secrets import SecretMaker
from issuer.clients.store import ClientStore
from issuer.database.principals import new_id
from issuer.database.store import as_model
from issuer.database.tables import ClientRow, ClientSecretRow
from issuer.errors import InvalidField, NotAllowed, NotFound
from issuer.resources import Principals, Transaction

MAX_SECRETS = 10


class Clients(Principals[ClientRow, ClientFields, Client]):
    """Clients and their secrets."""

    resource_type = CLIENT
    store_type = ClientStore
    id_prefix = "client_"
    _store: ClientStore

    def __init__(self, transaction: Transaction, random: Random, secrets: SecretMaker) -> None:
        super().__init__(transaction, random)
        self._audiences = AudienceStore(transaction.session)
        self._secrets = secrets

    def create(self, fields: ClientFields) -> NewClient:
        """The new client with its first secret, which cannot be shown again."""
        client = super().create(fields)
        _, secret = self.add_secret(client.client_id, SecretFields())
        return NewClient.model_construct(**dict(client), client_secret=secret)

    def secrets(self, client_id: str) -> list[ClientSecret]:
        """Metadata of the client's secrets, oldest first."""
        self._store.get(client_id)
        return [as_model(ClientSecret, row) for row in self._store.secrets_of(client_id)]

    def secret(self, client_id: str, secret_id: str) -> ClientSecret:
        """Metadata of one secret."""
        for secret in self.secrets(client_id):
            if secret.id == secret_id:
                return secret
        raise NotFound("secret", secret_id)

    def add_secret(self, client_id: str, fields: SecretFields) -> tuple[ClientSecret, str]:
        """One more secret for the client, which cannot be shown again."""
        self._row_to_change(client_id)
        now = self._clock()
        if len(self._store.secrets_of(client_id)) >= MAX_SECRETS:
            raise NotAllowed(f"A client has at most {MAX_SECRETS} secrets. Delete one first.")
        if fields.expires_at is not None and fields.expires_at <= now:
            raise InvalidField("expires_at", "is in the past")
        secret = self._secrets.new()
        row = ClientSecretRow(
            id=new_id("secret_", self._random),
            client_id=client_id,
            digest=self._secrets.digest(client_id, secret),
            label=fields.label,
            created_at=now,
            expires_at=fields.expires_at,
        )
        self._store.session.add(row)
        self._store.session.flush()
        self._note("secret_created", client_id, secret_id=row.id, label=row.label)
        return as_model(ClientSecret, row), secret

    def delete_secret(
        self, client_id: str, secret_id: str, *, and_its_tokens: bool = False
    ) -> None:
        """Delete a secret: every process refuses it within a second.

        Tokens do not name the secret used: `and_its_tokens` revokes all tokens of the client.
        """
        self._row_to_change(client_id)
        for row in self._store.secrets_of(client_id):
            if row.id == secret_id:
                self._store.session.delete(row)
                self._store.session.flush()
                self._note("secret_deleted", client_id, secret_id=secret_id)
                break
        else:
            raise NotFound("secret", secret_id)
        if and_its_tokens:
            self.revoke_tokens(client_id)

    def _authorize(self, before: ClientFields | None, after: ClientFields | None) -> None:
        if before is not None:
            self._authority.authorize_change(
                principal=before.client_id, scopes=before.scopes, audiences=before.audiences
            )
        if after is not None:
            self._authority.authorize_change(scopes=after.scopes, audiences=after.audiences)

    def _write(self, row: ClientRow, fields: ClientFields) -> None:
        for audience_id in fields.audiences:
            if self._audiences.find(audience_id) is None:
                raise InvalidField("audiences", f"there is no audience {audience_id!r}")
        super()._write(row, fields)
        self._store.set_audiences(row, fields.audiences)

    def _related(self, row: ClientRow) -> dict[str, Any]:
        return {"audiences": sorted(each.audience_id for each in row.audiences)}

    def _revoke(self, key: str) -> None:
        self._revocations.client(key)
