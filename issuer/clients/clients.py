"""The rules for clients."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from issuer.audiences.store import AudienceStore
from issuer.authority.access_store import SECRET, AccessStore
from issuer.authority.credentials import GivenCredential, grantors_after, ids_of
from issuer.clients.act_rules import ActRule, ExternalResource
from issuer.clients.authentication import SecretMaker
from issuer.clients.client import (
    CLIENT,
    SELF_DESCRIBED,
    Client,
    ClientFields,
    ClientSecret,
    NewClient,
    SecretFields,
)
from issuer.clients.store import ClientStore
from issuer.clients.trust import Trust
from issuer.database.store import as_model, new_id, release_id
from issuer.database.tables import ClientRow, ClientSecretRow
from issuer.errors import AlreadyExists, InvalidField, NotAllowed, NotFound, UnknownReference
from issuer.fields.ids import fold_id
from issuer.fields.times import has_ended, is_earlier
from issuer.fields.urls import require_https
from issuer.resources import Principals, Transaction, one_of
from issuer.trusted_issuers.fields import is_trust_domain
from issuer.trusted_issuers.store import TrustedIssuerStore
from issuer.vocabulary import GRANTS_WITH_A_PERSON, RegisteredBy, UserRights

MAX_SECRETS = 10
# The members that only an administrator may set, as clients have them that registered themselves.
WITHOUT_RIGHTS: Mapping[str, object] = {
    **{name: [] for name in ("scopes", "audiences", "trusts", "may_act", "external_audiences")},
    **dict.fromkeys(("may_set_session", "first_party"), False),
    "require_pkce": True,
    "claims": {},
    "user_rights": UserRights.ALL,
}
LASTING = SecretFields(expires_at=None)
_USUAL = SecretFields()
_AT_ONCE = 100


class Clients(Principals[ClientRow, ClientFields, Client]):
    """Clients and their secrets."""

    resource_type = CLIENT
    store_type = ClientStore
    id_prefix = "client_"
    _store: ClientStore

    def __init__(
        self,
        transaction: Transaction,
        random: Random,
        secrets: SecretMaker,
        secret_ttl: timedelta | None,
    ) -> None:
        super().__init__(transaction, random)
        self._audiences = AudienceStore(self._session)
        self._trusted_issuers = TrustedIssuerStore(self._session)
        self._secrets = secrets
        self._secret_ttl = secret_ttl

    def create(
        self,
        fields: ClientFields,
        *,
        secret: str | None = None,
        secret_fields: SecretFields = _USUAL,
    ) -> Client:
        """The new client; if it needs a secret, a `NewClient` with `secret` or with a new one."""
        return self._with_first_secret(super().create(fields), secret, secret_fields)

    def find(self, id_or_name: str) -> Client:
        """The client of that id, else the only one of that name; `NotFound` otherwise."""
        row = self._store.find(id_or_name) or self._store.find_by_name(id_or_name)
        return self._model(row) if row else self.get(id_or_name)

    def register(self, fields: ClientFields, by: RegisteredBy, *, pinned: bool = False) -> Client:
        """A client that no administrator made: without rights, so that nobody need have any."""
        require_no_rights(fields)
        row, details = ClientRow(registered_by=by, pinned=pinned), {"registered_by": by.value}
        client = self._add("registered", row, self._with_key(fields), **details, pinned=pinned)
        return self._with_first_secret(client, None, LASTING)  # it cannot get another

    def delete_unused(self, client_id: str) -> None:
        """Delete a client that registered itself and is not used.

        If it was never used, no token was issued to it, and the feed need not name it.
        """
        row = self._store.get(client_id)
        if row.last_used_at is not None:
            self._revoke(client_id)
        self._store.delete(row)
        release_id(self._session, client_id)
        self._note("deleted", client_id, reason="unused")

    def keep_document(self, fields: ClientFields, *, pinned: bool = False) -> Client:
        """Keep the client of a metadata document as the document says now.

        `AlreadyExists` for an id that an administrator gave to another client.
        """
        if (row := self._store.find(str(fields.client_id))) is None:
            return self.register(fields, RegisteredBy.METADATA, pinned=pinned)
        if row.registered_by is not RegisteredBy.METADATA:
            raise AlreadyExists("client", row.client_id)
        row.pinned = row.pinned or pinned
        before = self._fields(row)
        after = before.model_copy(update={each: getattr(fields, each) for each in SELF_DESCRIBED})
        return self._model(row) if after == before else self._replace(row, before, after)

    def _with_first_secret(
        self, client: Client, secret: str | None, secret_fields: SecretFields
    ) -> Client:
        if not client.needs_secret:
            return client
        _, secret = self.add_secret(client.client_id, secret_fields, secret=secret)
        return NewClient.model_construct(**dict(client), client_secret=secret)

    def expiring_secrets(self, until: datetime, limit: int) -> list[tuple[str, ClientSecret]]:
        """Secrets that expire before then, the first ones first, each with its client id."""
        rows = self._store.expiring_secrets(self._clock(), until, limit)
        return [(row.client_id, as_model(ClientSecret, row)) for row in rows]

    def unused_secrets(self, since: datetime, limit: int) -> list[tuple[str, ClientSecret]]:
        """Secrets that were not used since then, each with its client id."""
        rows = self._store.unused_secrets(since, limit)
        return [(row.client_id, as_model(ClientSecret, row)) for row in rows]

    def secrets(self, client_id: str) -> list[ClientSecret]:
        """Metadata of the client's secrets, oldest first."""
        self._store.get(client_id)
        return [as_model(ClientSecret, row) for row in self._store.secrets_of(client_id)]

    def scopes_ending_before(self, until: datetime, limit: int) -> list[tuple[str, str, datetime]]:
        """Client, scope and end of scopes of clients that end before then, the first ones first."""
        rows = self._store.ending_scopes(self._clock(), until, limit)
        return [(each.client_id, each.scope, each.expires_at) for each in rows]

    def have_expired_scopes(self) -> bool:
        """Whether some client has a scope of its own that has ended, and is not deleted yet."""
        return bool(self._store.with_expired_scopes(self._clock(), 1))

    def delete_expired_scopes(self) -> int:
        """Remove scopes of their own that have ended from some clients; from how many.

        No access token has them: each has expired, or was revoked.
        """
        now = self._clock()
        rows = self._store.with_expired_scopes(now, _AT_ONCE)
        for row in rows:
            self._delete_expired_scopes_of(row)
            self._store.changed(row, now)
        return len(rows)

    def last_uses(self, client_ids: Sequence[str]) -> dict[str, datetime]:
        """When a secret of each was last used, by client id; one query. Stored uses lag."""
        return self._store.last_uses(client_ids)

    def ids_at(self, audience_id: str, after: str, limit: int) -> list[str]:
        """At most `limit` clients that may request tokens for the audience, after that one."""
        return list(self._store.ids_at(audience_id, after, limit))

    def ids_found_at(self, audience_id: str, text: str, limit: int) -> list[str]:
        """The first of them whose ids begin with `text`, in any case."""
        return list(self._store.ids_found_at(audience_id, fold_id(text), limit))

    def count_at(self, audience_id: str, most: int) -> int:
        """How many may request tokens for the audience, but no more than `most`."""
        return self._store.count_at(audience_id, most)

    def secret(self, client_id: str, secret_id: str) -> ClientSecret:
        """Metadata of one secret."""
        return one_of(self.secrets(client_id), secret_id, "secret")

    def add_secret(
        self, client_id: str, fields: SecretFields, *, secret: str | None = None
    ) -> tuple[ClientSecret, str]:
        """One more secret for the client, which cannot be shown again: `secret`, or a new one."""
        client = self._row_to_change(client_id)
        now = self._clock()
        if not client.token_endpoint_auth_method.has_secret:
            raise NotAllowed(f"The client {client_id} authenticates without a secret.")
        if len(self._store.secrets_of(client_id)) >= MAX_SECRETS:
            raise NotAllowed(f"A client has at most {MAX_SECRETS} secrets. Delete one first.")
        if has_ended(fields.expires_at, now):
            raise InvalidField("expires_at", "is in the past")
        expires_at = fields.expires_at
        if self._secret_ttl is not None and "expires_at" not in fields.model_fields_set:
            expires_at = (now + self._secret_ttl).replace(microsecond=0)
        secret = secret or self._secrets.new()
        grantor = self._authority.grantor
        row = ClientSecretRow(
            id=new_id("secret_", self._random),
            given_by=grantor.by,
            given_as=grantor.given_as,
            client_id=client_id,
            digest=self._secrets.digest(client_id, secret),
            label=fields.label,
            created_at=now,
            expires_at=expires_at,
        )
        self._session.add(row)
        self._session.flush()
        self._note("secret_created", client_id, secret_id=row.id, label=row.label)
        return as_model(ClientSecret, row), secret

    def delete_secret(
        self, client_id: str, secret_id: str, *, and_its_tokens: bool = False
    ) -> None:
        """Delete a secret: every process refuses it within a second.

        Tokens do not name the secret used: `and_its_tokens` revokes all tokens of the client.
        """
        self._row_to_change(client_id)
        self._delete_secret(one_of(self._store.secrets_of(client_id), secret_id, "secret"))
        if and_its_tokens:
            self.revoke_tokens(client_id)

    def not_of_admins(self, after: ClientFields) -> list[GivenCredential]:
        """What others than admins gave to the client, of what it has with these fields."""
        row = self._store.get(str(after.client_id))
        keys = {"jwks": after.jwks, "jwks_uri": after.jwks_uri, "client_id": row.client_id}
        trusts = [trust.model_dump(mode="json") for trust in after.trusts]
        left = ids_of(ClientRow(**keys, trusts=trusts, redirect_uris=after.redirect_uris))
        keeps_secrets = after.token_endpoint_auth_method.has_secret
        found = AccessStore(self._session).credentials_not_of_admins(row)
        return [e for e in found if (keeps_secrets if e.kind == SECRET else e.id in left)]

    def add_key(self, client_id: str, jwk: Mapping[str, Any]) -> None:
        """One more public key for the client; `NotAllowed` if it publishes its keys itself."""
        self.update(client_id, with_key(self.get(client_id), jwk))

    def _delete_secret(self, row: ClientSecretRow) -> None:
        self._session.delete(row)
        self._session.flush()
        self._note("secret_deleted", row.client_id, secret_id=row.id)

    def _with_key(self, fields: ClientFields) -> ClientFields:
        if fields.client_id and self._audiences.find(fields.client_id):
            # The `aud` of an ID token is a client.
            raise AlreadyExists("audience", fields.client_id)
        return super()._with_key(fields)

    def _authorize(self, before: ClientFields | None, after: ClientFields | None) -> None:
        if before is not None:
            # With scopes that have ended, until they are deleted: like roles, they protect it.
            stored = self._store.get(str(before.client_id)).scopes
            self._authority.authorize_change(
                principal=before.client_id, scopes=stored, audiences=before.audiences
            )
        if after is not None:
            self._authority.authorize_change(scopes=after.scopes, audiences=after.audiences)

    def _require_valid(self, fields: ClientFields) -> None:
        """An error if it refers to what does not exist or may not be named, or to a past end."""
        for audience_id in fields.audiences:
            if self._audiences.find(audience_id) is None:
                raise UnknownReference("audiences", "audience", audience_id)
        for number, trust in enumerate(fields.trusts):
            self._require_possible(f"trusts.{number}", trust)
        for number, rule in enumerate(fields.may_act):
            self._require_between_others(f"may_act.{number}", rule)
        for number, external in enumerate(fields.external_audiences):
            member, own = f"external_audiences.{number}.issuer", self._authority.own_audience
            if external.issuer == own:
                raise InvalidField(member, "is this issuer: may_act is for its audiences")
            require_https(member, external.issuer, own)
        for scope, end in fields.scopes_expire_at.items():
            if end <= self._clock():
                raise InvalidField(f"scopes_expire_at.{scope}", "is in the past")

    def _write(self, row: ClientRow, fields: ClientFields) -> None:
        self._require_valid(fields)
        row.registered_by = row.registered_by or RegisteredBy.ADMIN
        row.pinned = row.pinned or False
        if row.registered_by is not RegisteredBy.ADMIN:
            require_no_rights(fields)
        before = ids_of(row)
        self._delete_expired_scopes_of(row)
        super()._write(row, fields)
        row.scopes = fields.scopes
        self._store.set_scope_expiries(row, fields.scopes_expire_at)
        row.set_trusts([trust.model_dump(mode="json") for trust in fields.trusts])
        row.credentials_given = grantors_after(row, before, self._authority.grantor)
        row.external_audiences = [each.model_dump() for each in fields.external_audiences]
        self._store.set_audiences(row, fields.audiences)
        self._store.set_act_rules(row, fields.may_act)
        if not fields.token_endpoint_auth_method.has_secret:
            for secret in self._store.secrets_of(row.client_id):
                self._delete_secret(secret)

    def _delete_expired_scopes_of(self, row: ClientRow) -> None:
        scopes, ends = row.live_scopes(self._clock())
        if len(ends) == len(row.scope_expiries):
            return
        self._store.set_scope_expiries(row, ends)
        # An earlier version leaves the ends of scopes that it removes: there is no event of those.
        if ended := sorted({*row.scopes}.difference(scopes)):
            row.scopes = scopes
            self._note("scopes_expired", row.client_id, scopes=ended)

    def _require_possible(self, member: str, trust: Trust) -> None:
        if (issuer := self._trusted_issuers.find(trust.issuer)) is None:
            raise UnknownReference(f"{member}.issuer", "trusted issuer", trust.issuer)
        domain = f"{issuer.issuer}/"
        if is_trust_domain(issuer.issuer) and not trust.subject.startswith(domain):
            raise InvalidField(f"{member}.subject", f"must begin with {domain}")

    def _require_between_others(self, member: str, rule: ActRule) -> None:
        """No scope counts at the issuer's own audience and at another one."""
        ends = {"from": rule.from_audience, "to": rule.to_audience}
        for end, audience_id in ends.items():
            if audience_id == self._authority.own_audience:
                raise InvalidField(f"{member}.{end}", "may not be the issuer's own audience")
            if self._audiences.find(audience_id) is None:
                raise UnknownReference(f"{member}.{end}", "audience", audience_id)

    def _related(self, row: ClientRow) -> dict[str, Any]:
        scopes, ends = row.live_scopes(self._clock())
        return {
            "scopes": scopes,
            "scopes_expire_at": ends,
            "audiences": sorted(each.audience_id for each in row.audiences),
            "trusts": [Trust.model_construct(**each) for each in row.trusts or []],
            "may_act": [as_model(ActRule, each) for each in self._store.act_rules(row)],
            "external_audiences": [
                ExternalResource.model_construct(**each) for each in row.external_audiences or []
            ],
        }

    def _revoke_for(self, before: ClientFields, after: ClientFields | None) -> None:
        super()._revoke_for(before, after)
        if after is not None and not {*before.may_act} <= {*after.may_act}:
            # Tokens that it got in exchange do not say which rule allowed it.
            self._revoke(self.resource_type.key_of(before))
        elif after is not None and _loses_rights(before, after):
            self._revocations.revoke_access_through(self.resource_type.key_of(before))

    def _revoke(self, key: str) -> None:
        self._revocations.revoke_client(key)


def _loses_rights(before: ClientFields, after: ClientFields) -> bool:
    """Whether its tokens may be for an audience that it lost, or have a scope for too long.

    The scope is one of its own, which it may have for a shorter time now.
    """
    if {*before.audiences} - {*after.audiences}:
        return True
    had = {scope: before.scopes_expire_at.get(scope) for scope in before.scopes}
    return any(
        scope in had and is_earlier(end, had[scope])
        for scope, end in after.scopes_expire_at.items()
    )


def keys_of(client: Client) -> list[dict[str, Any]]:
    """The public keys that are stored with the client (RFC 7517 §4)."""
    keys: list[dict[str, Any]] = client.jwks["keys"] if client.jwks else []
    return keys


def with_key(client: Client, jwk: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that adds a public key; `NotAllowed` if the client publishes its keys."""
    if client.jwks_uri is not None:
        raise NotAllowed(f"The client {client.client_id} publishes its keys at {client.jwks_uri}.")
    return {"jwks": {"keys": [*keys_of(client), dict(jwk)]}}


def without_key(client: Client, kid: str) -> dict[str, Any]:
    """The merge patch that deletes a public key: every process refuses it within a second."""
    keys = keys_of(client)
    left = [key for key in keys if key["kid"] != kid]
    if len(left) == len(keys):
        raise NotFound("key", kid)
    return {"jwks": {"keys": left} if left else None}


def require_no_rights(fields: ClientFields) -> None:
    """`InvalidField` unless the client has no rights of its own and acts only for people."""
    problems = [
        (name, "cannot be changed: the client registered itself")
        for name, value in WITHOUT_RIGHTS.items()
        if getattr(fields, name) != value
    ]
    if not GRANTS_WITH_A_PERSON.issuperset(fields.grant_types):
        problems.append(("grant_types", "may be authorization_code and refresh_token only"))
    if problems:
        raise InvalidField(*problems[0], *problems[1:])
