"""The rules for clients."""

from collections.abc import Mapping
from random import Random

from issuer.audiences.store import AudienceStore
from issuer.audit import Trail, differences
from issuer.authority import Authority
from issuer.clients.client import Client, ClientFields, ClientSecret, SecretFields
from issuer.clients.secrets import SecretMaker
from issuer.clients.store import ClientStore
from issuer.clock import Clock
from issuer.database import Session
from issuer.database.principals import claim_id, new_id, release_id
from issuer.database.store import as_model
from issuer.database.tables import ClientRow, ClientSecretRow
from issuer.errors import InvalidField, NotAllowed, NotFound
from issuer.revocations import Revocations

MAX_SECRETS = 10
_PRIVATE = {"claims"}  # the audit log has only the name of these members


class Clients:
    """Clients and their secrets, within one transaction. Errors are those of `issuer.errors`."""

    def __init__(
        self,
        session: Session,
        trail: Trail,
        clock: Clock,
        authority: Authority,
        revocations: Revocations,
        random: Random,
        secrets: SecretMaker,
    ) -> None:
        self._store = ClientStore(session)
        self._audiences = AudienceStore(session)
        self._trail = trail
        self._clock = clock
        self._authority = authority
        self._revocations = revocations
        self._random = random
        self._secrets = secrets

    def create(self, fields: ClientFields) -> tuple[Client, str]:
        """The new client and its first secret, which cannot be shown again."""
        self._authority.authorize_change(scopes=fields.scopes, audiences=fields.audiences)
        client_id = fields.client_id or new_id("client_", self._random)
        folded_id = claim_id(self._store.session, client_id, self._store.kind)
        now = self._clock()
        row = ClientRow(client_id=client_id, folded_id=folded_id, created_at=now, updated_at=now)
        self._store_fields(row, fields)
        self._store.add(row)
        self._trail.note("client.created", client_id, **_recorded(fields))
        _, secret = self.add_secret(client_id, SecretFields())
        return self._store.as_client(row), secret

    def get(self, client_id: str) -> Client:
        return self._store.as_client(self._store.get(client_id))

    def exists(self, client_id: str) -> bool:
        return self._store.find(client_id) is not None

    def page(self, after: str | None, limit: int) -> list[Client]:
        """At most `limit` clients after the id `after`, in order of id."""
        return [self._store.as_client(row) for row in self._store.page(after, limit)]

    def update(self, client_id: str, patch: Mapping[str, object]) -> Client:
        """Apply a merge patch (RFC 7396)."""
        row = self._store.get(client_id)
        fields = self._fields(row).patched(patch)
        return self.replace(client_id, fields)

    def replace(self, client_id: str, fields: ClientFields) -> Client:
        """Replace all fields of the client, also with values that no merge patch can set.

        RFC 7396 cannot put a null into `claims`.
        """
        row = self._store.get(client_id)
        before = self._fields(row)
        if fields.client_id != client_id:
            raise InvalidField("client_id", "cannot be changed")
        self._authorize_change(row)
        self._authority.authorize_change(scopes=fields.scopes, audiences=fields.audiences)
        if fields.disabled and not row.disabled:
            self._revocations.client(client_id)
        self._store_fields(row, fields)
        self._store.changed(row, self._clock())
        self._trail.note("client.updated", client_id, **differences(before, fields, _PRIVATE))
        return self._store.as_client(row)

    def revoke_tokens(self, client_id: str) -> None:
        """Revoke every token issued to the client so far, those of its users included."""
        self._authorize_change(self._store.get(client_id))
        self._revocations.client(client_id)
        self._trail.note("client.tokens_revoked", client_id)

    def delete(self, client_id: str) -> None:
        """Delete the client, its secrets and assignments; revoke its tokens. Frees the id."""
        row = self._store.get(client_id)
        self._authorize_change(row)
        self._revocations.client(client_id)
        was = _recorded(self._fields(row))
        self._store.delete(row)
        release_id(self._store.session, client_id)
        self._trail.note("client.deleted", client_id, **was)

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
        self._authorize_change(self._store.get(client_id))
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
        self._trail.note("client.secret_created", client_id, secret_id=row.id, label=row.label)
        return as_model(ClientSecret, row), secret

    def delete_secret(
        self, client_id: str, secret_id: str, *, and_its_tokens: bool = False
    ) -> None:
        """Delete a secret: every process refuses it within a second.

        Tokens do not name the secret used: `and_its_tokens` revokes all tokens of the client.
        """
        self._authorize_change(self._store.get(client_id))
        for row in self._store.secrets_of(client_id):
            if row.id == secret_id:
                self._store.session.delete(row)
                self._store.session.flush()
                self._trail.note("client.secret_deleted", client_id, secret_id=secret_id)
                break
        else:
            raise NotFound("secret", secret_id)
        if and_its_tokens:
            self.revoke_tokens(client_id)

    def _fields(self, row: ClientRow) -> ClientFields:
        audiences = [each.audience_id for each in row.audiences]
        return as_model(ClientFields, row, audiences=audiences)

    def _authorize_change(self, row: ClientRow) -> None:
        audiences = [each.audience_id for each in row.audiences]
        self._authority.authorize_change(
            principal=row.client_id, scopes=row.scopes, audiences=audiences
        )

    def _store_fields(self, row: ClientRow, fields: ClientFields) -> None:
        for audience_id in fields.audiences:
            if self._audiences.find(audience_id) is None:
                raise InvalidField("audiences", f"there is no audience {audience_id!r}")
        for name, value in fields:
            if name not in {"client_id", "audiences"}:
                setattr(row, name, value)
        self._store.set_audiences(row, fields.audiences)


def _recorded(fields: ClientFields) -> dict[str, object]:
    """Details of a new client for the audit log: its rights, not its claims (maybe private)."""
    return fields.model_dump(mode="json", exclude={"client_id", *_PRIVATE})
