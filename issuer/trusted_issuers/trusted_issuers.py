"""The rules for trusted issuers."""

from typing import Any
from urllib.parse import urlsplit

from issuer.database.tables import TrustedIssuerRow
from issuer.errors import InUse, InvalidField
from issuer.resources import Collection, Transaction
from issuer.trusted_issuers.fields import is_plain_http, names_private_address
from issuer.trusted_issuers.store import TrustedIssuerStore
from issuer.trusted_issuers.trusted_issuer import (
    TRUSTED_ISSUER,
    TrustedIssuerFields,
    TrustedIssuerResource,
)

_MAX_NAMED = 100


class TrustedIssuers(Collection[TrustedIssuerRow, TrustedIssuerFields, TrustedIssuerResource]):
    """Trusted issuers. `own_url` is this issuer, which is none of them.

    Only `issuer:admin` may change one on which a client with rights at the issuer itself relies.
    """

    resource_type = TRUSTED_ISSUER
    store_type = TrustedIssuerStore
    _store: TrustedIssuerStore

    def __init__(self, transaction: Transaction, own_url: str) -> None:
        super().__init__(transaction)
        self._own_url = own_url

    def find_by_url(self, issuer: str) -> TrustedIssuerResource | None:
        """The first by id for this `iss`: several clusters may have one."""
        row = self._store.with_issuer(issuer)
        return self._model(row) if row else None

    def _authorize(
        self, before: TrustedIssuerFields | None, after: TrustedIssuerFields | None
    ) -> None:
        if before is None:
            return
        for client in self._store.clients_of(before.id):
            audiences = [each.audience_id for each in client.audiences]
            self._authority.authorize_change(
                principal=client.client_id, scopes=client.scopes, audiences=audiences
            )

    def _write(self, row: TrustedIssuerRow, fields: TrustedIssuerFields) -> None:
        if fields.issuer == self._own_url:
            raise InvalidField("issuer", "is this issuer: its clients have keys of their own")
        urls = {"issuer": fields.issuer, "keys": fields.keys.get("jwks_uri", "")}
        if not fields.keys.keys() & {"discovery"}:
            urls.pop("issuer")
        for member, url in urls.items():
            self._require_reachable(member, url, fields)
        super()._write(row, fields)

    def _require_reachable(self, member: str, url: str, fields: TrustedIssuerFields) -> None:
        """`InvalidField` if the URL will be fetched from where nothing may be fetched."""
        own_is_http = urlsplit(self._own_url).scheme == "http"
        if is_plain_http(url) and not own_is_http:
            raise InvalidField(member, "must be https: only with an http ISSUER_URL it may be http")
        if names_private_address(url) and not fields.allow_private_addresses:
            raise InvalidField(member, "names a private address: set allow_private_addresses")

    def _release(self, row: TrustedIssuerRow, *, cascade: bool) -> dict[str, Any]:
        clients = self._store.clients_of(row.id)
        if clients and not cascade:
            users = [f"client {client.client_id}" for client in clients[:_MAX_NAMED]]
            raise InUse(TRUSTED_ISSUER.kind, row.id, users)
        for client in clients:
            client.trusts = [each for each in client.trusts if each["issuer"] != row.id]
        self._store.session.flush()
        return {"released": [client.client_id for client in clients[:_MAX_NAMED]]}
