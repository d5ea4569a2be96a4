"""The rules for trusted issuers."""

from collections.abc import Sequence
from typing import Any

from issuer.authority import GivenCredential
from issuer.authority.access_store import AccessStore
from issuer.database.tables import TrustedIssuerRow
from issuer.errors import InUse, InvalidField, NotFound
from issuer.fields.urls import require_https
from issuer.resources import Collection, Transaction
from issuer.trusted_issuers.fields import names_private_address
from issuer.trusted_issuers.store import TrustedIssuerStore
from issuer.trusted_issuers.trusted_issuer import (
    TRUSTED_ISSUER,
    TrustedIssuerFields,
    TrustedIssuerResource,
)

_MAX_NAMED = 100
_PLATFORMS = {
    "https://token.actions.githubusercontent.com": "github",
    "https://gitlab.com": "gitlab",
}
_PUBLISHED = {"discovery": True}


class TrustedIssuers(Collection[TrustedIssuerRow, TrustedIssuerFields, TrustedIssuerResource]):
    """Trusted issuers. `own_url` is this issuer, which is none of them.

    Only `issuer:admin` may change one on which a client with rights at the issuer itself relies,
    and let one be fetched from private addresses.
    """

    resource_type = TRUSTED_ISSUER
    store_type = TrustedIssuerStore
    _store: TrustedIssuerStore

    def __init__(self, transaction: Transaction, own_url: str) -> None:
        super().__init__(transaction)
        self._own_url = own_url

    def known_by_url(self, issuer: str, *, create: bool = True) -> TrustedIssuerFields:
        """The one for this `iss`; `InvalidField` if it is not evident which that is.

        Those of GitHub and GitLab are created if they are missing, or only described unless
        `create`; `NotFound` for another one.
        """
        if stored := self._store.with_issuer(issuer, _MAX_NAMED):
            _require_evident(stored)
            return self._model(stored[0])
        if issuer not in _PLATFORMS:
            raise NotFound("trusted issuer for", issuer)
        self._authority.require(TRUSTED_ISSUER.write)
        members = {"id": _PLATFORMS[issuer], "issuer": issuer, "keys": _PUBLISHED}
        fields = TrustedIssuerFields.read(members)
        return self.create(fields) if create else fields

    def clients_of(self, issuer_id: str, limit: int) -> list[str]:
        """At most `limit` clients with a trust that names it, by id."""
        return self._store.ids_of_clients_of(issuer_id, limit)

    def not_of_admins(self, ids: set[str]) -> list[GivenCredential]:
        """Those that somebody without `issuer:admin` made or changed."""
        return AccessStore(self._session).trusted_issuers_not_of_admins(ids)

    def authorize_change(self, issuer_id: str) -> None:
        """`Forbidden` unless the caller may change or delete it."""
        if self._store.is_trusted_by(issuer_id, self._authority.privileged().clients):
            self._authority.authorize_privileged_change()

    def _authorize(
        self, before: TrustedIssuerFields | None, after: TrustedIssuerFields | None
    ) -> None:
        """Also of one to be created: in a race, a client may trust one that was deleted."""
        if trusted := before or after:
            self.authorize_change(trusted.id)
        if after is not None and _reaches_more(before, after):
            self._authority.authorize_privileged_change()

    def _write(self, row: TrustedIssuerRow, fields: TrustedIssuerFields) -> None:
        if fields.issuer == self._own_url:
            raise InvalidField("issuer", "is this issuer: its clients have keys of their own")
        if "discovery" in fields.keys:
            self._require_reachable("issuer", fields.issuer, fields)
        elif "jwks_uri" in fields.keys:
            self._require_reachable("keys", fields.keys["jwks_uri"], fields)
        grantor, is_new = self._authority.grantor, row.id is None
        if is_new or not grantor.is_admin:
            row.given_by, row.given_as = grantor.by, grantor.given_as
        super()._write(row, fields)

    def _require_reachable(self, member: str, url: str, fields: TrustedIssuerFields) -> None:
        """`InvalidField` if the URL will be fetched from where nothing may be fetched."""
        require_https(member, url, self._own_url)
        if names_private_address(url) and not fields.allow_private_addresses:
            raise InvalidField(member, "names a private address: set allow_private_addresses")

    def _release(self, row: TrustedIssuerRow, *, cascade: bool) -> dict[str, Any]:
        clients = self._store.clients_of(row.id)
        if clients and not cascade:
            users = [f"client {client.client_id}" for client in clients[:_MAX_NAMED]]
            raise InUse(TRUSTED_ISSUER.kind, row.id, users)
        for client in clients:
            client.trusts = [each for each in client.trusts if each["issuer"] != row.id]
        self._session.flush()
        return {"released": [client.client_id for client in clients[:_MAX_NAMED]]}


def _reaches_more(before: TrustedIssuerFields | None, after: TrustedIssuerFields) -> bool:
    """Whether something else than before may be fetched from private addresses."""
    if not after.allow_private_addresses:
        return False
    decisive = ("issuer", "keys", "ca_certificate", "allow_private_addresses")
    changed = any(getattr(before, name, None) != getattr(after, name) for name in decisive)
    return changed or (before is not None and before.disabled > after.disabled)


def _require_evident(stored: Sequence[TrustedIssuerRow]) -> None:
    """Whoever may write trusted issuers may make one for any `iss`, with keys of their own."""
    ids, first = ", ".join(row.id for row in stored), stored[0]
    if len(stored) > 1:
        raise InvalidField("issuer", f"name one: {ids} are for {first.issuer}")
    if first.issuer in _PLATFORMS and (first.keys != _PUBLISHED or first.ca_certificate):
        published = f"does not use the keys that {first.issuer} publishes"
        raise InvalidField("issuer", f"{first.id} {published}: name it if it is right")
