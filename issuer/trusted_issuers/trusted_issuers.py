"""The rules for trusted issuers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from issuer.authority import GivenCredential, Grantor
from issuer.authority.access_store import AccessStore
from issuer.database.tables import ProviderRoleRow, TrustedIssuerRow
from issuer.errors import InUse, InvalidField, NotAllowed, NotFound
from issuer.fields.urls import require_https
from issuer.resources import Collection, Transaction
from issuer.scopes import parse
from issuer.sign_in.departures import SIGNAL_PATHS, SignalWay
from issuer.sign_in.identities import Identities
from issuer.sign_in.identities_store import IdentityStore
from issuer.sign_in.provider_request import CALLBACK_PATH, ProviderSecrets
from issuer.sign_in.provider_sign_out import SIGN_OUT_PATH
from issuer.trusted_issuers.fields import names_private_address
from issuer.trusted_issuers.sign_in import GroupRole, SignInFields
from issuer.trusted_issuers.store import TrustedIssuerStore
from issuer.trusted_issuers.trusted_issuer import (
    TRUSTED_ISSUER,
    ProviderRegistration,
    TrustedIssuerFields,
    TrustedIssuerResource,
)

_MAX_NAMED = 100
_PLATFORMS = {
    "https://token.actions.githubusercontent.com": "github",
    "https://gitlab.com": "gitlab",
}


class TrustedIssuers(Collection[TrustedIssuerRow, TrustedIssuerFields, TrustedIssuerResource]):
    """Trusted issuers. `own_url` is this issuer, which is none of them.

    Only `issuer:admin` may change one on which a client with rights at the issuer itself relies,
    let one be fetched from private addresses, and change one where people sign in: whoever has its
    keys can be any of these people.
    """

    resource_type = TRUSTED_ISSUER
    store_type = TrustedIssuerStore
    _store: TrustedIssuerStore

    def __init__(
        self,
        transaction: Transaction,
        own_url: str,
        identities: Identities,
        secrets: ProviderSecrets,
    ) -> None:
        super().__init__(transaction)
        self._own_url = own_url
        self._identities = identities
        self._secrets = secrets

    def find_by_url(self, issuer: str, *, create: bool = True) -> TrustedIssuerFields:
        """The one for this `iss`; `NotFound`, or `InvalidField` if it is not evident which.

        Those of GitHub and GitLab are created if missing; only described unless `create`.
        """
        found = evident(issuer, [*map(self._model, self._store.with_issuer(issuer, _MAX_NAMED))])
        if isinstance(found, TrustedIssuerResource):
            return found
        self._authority.require(TRUSTED_ISSUER.write)
        return self.create(found) if create else found

    def clients_of(self, issuer_id: str, limit: int) -> list[str]:
        """At most `limit` clients with a trust that names it, by id."""
        return self._store.ids_of_clients_of(issuer_id, limit)

    def registration(self, issuer_id: str) -> ProviderRegistration:
        """What to enter at the trusted issuer; `NotAllowed` unless people sign in there."""
        if self.get(issuer_id).sign_in is None:
            raise NotAllowed(f"People do not sign in at the trusted issuer {issuer_id}.")
        urls = {way: self._own_url + path for way, path in SIGNAL_PATHS.items()}
        return ProviderRegistration(
            redirect_uri=f"{self._own_url}{CALLBACK_PATH}{issuer_id}",
            post_logout_redirect_uri=self._own_url + SIGN_OUT_PATH,
            backchannel_logout_uri=urls[SignalWay.BACK_CHANNEL],
            frontchannel_logout_uri=urls[SignalWay.FRONT_CHANNEL],
            security_events_uri=urls[SignalWay.SECURITY_EVENTS],
            global_token_revocation_uri=urls[SignalWay.UNIVERSAL_LOGOUT],
            last_signals=IdentityStore(self._session).last_signals(issuer_id),
        )

    def people_of(self, issuer_id: str, limit: int) -> list[tuple[str, str, str, datetime | None]]:
        """At most `limit` users with an account there: id, name, `sub`, last sign-in there."""
        return self._store.people_of(issuer_id, limit)

    def not_of_admins(self, ids: set[str]) -> list[GivenCredential]:
        """The trusted issuers that somebody without `issuer:admin` made or changed."""
        return AccessStore(self._session).trusted_issuers_not_of_admins(ids)

    def authorize_change(self, issuer_id: str) -> None:
        """`Forbidden` unless the caller may change or delete it."""
        row = self._store.find(issuer_id)
        is_for_people = row is not None and row.sign_in is not None
        relied_on = self._store.is_trusted_by
        if is_for_people or relied_on(issuer_id, self._authority.privileged().clients):
            self._authority.authorize_privileged_change()

    def _authorize(
        self, before: TrustedIssuerFields | None, after: TrustedIssuerFields | None
    ) -> None:
        """Authorize a change or a creation: in a race, a client may trust one that was deleted."""
        if trusted := before or after:
            self.authorize_change(trusted.id)
        if after is not None and (after.sign_in is not None or _reaches_more(before, after)):
            self._authority.authorize_privileged_change()

    def _patched(
        self, before: TrustedIssuerFields, patch: Mapping[str, object]
    ) -> TrustedIssuerFields:
        """Without `client_secret` it keeps the secret; null removes it."""
        sign_in = patch.get("sign_in")
        if isinstance(sign_in, Mapping) and sign_in.get("client_secret", "") is None:
            patch = {**patch, "sign_in": {**sign_in, "client_secret": ""}}
        return super()._patched(before, patch)

    def _related(self, row: TrustedIssuerRow) -> dict[str, Any]:
        if row.sign_in is None:
            return {"sign_in": None}
        roles = [*self._stored_roles(row.id)]
        return {"sign_in": SignInFields.model_construct(**row.sign_in, roles=roles)}

    def _revoke_for(self, before: TrustedIssuerFields, after: TrustedIssuerFields | None) -> None:
        if before.sign_in is None or before.disabled:
            return
        if after is None or after.disabled:
            ended = self._identities.end_sessions_at(before.id)
            self._note("sessions_ended", before.id, **ended)

    def _write(self, row: TrustedIssuerRow, fields: TrustedIssuerFields) -> None:
        if fields.issuer == self._own_url:
            raise InvalidField("issuer", "is this issuer: its clients have keys of their own")
        if "discovery" in fields.keys:
            self._require_reachable("issuer", fields.issuer, fields)
        elif "jwks_uri" in fields.keys:
            self._require_reachable("keys", fields.keys["jwks_uri"], fields)
        grantor, is_new = self._authority.grantor, row.id is None
        if not is_new:
            self._require_no_people(row, fields)
            if fields.sign_in is not None and row.sign_in is None:
                _require_of_admin(row)
        if is_new or not grantor.is_admin:
            row.given_by, row.given_as = grantor.by, grantor.given_as
        super()._write(row, fields)
        self._write_sign_in(row, fields)

    def _require_no_people(self, row: TrustedIssuerRow, fields: TrustedIssuerFields) -> None:
        """`InUse` where those who sign in there would be others, or could not any more."""
        if row.issuer == fields.issuer and (row.sign_in is None or fields.sign_in is not None):
            return
        if users := self._store.users_of(row.id, _MAX_NAMED):
            raise InUse(TRUSTED_ISSUER.kind, row.id, [f"user {name}" for name in users])

    def _write_sign_in(self, row: TrustedIssuerRow, fields: TrustedIssuerFields) -> None:
        sign_in = fields.sign_in
        if sign_in is None:
            row.sign_in = row.sealed_secret = None
        else:
            self._require_only_one(fields, sign_in)
            row.sign_in = sign_in.model_dump(mode="json", exclude={"roles"})
            self._write_secret(row, sign_in)
        self._session.add(row)
        self._session.flush()
        self._write_roles(row, sign_in.roles if sign_in else [])

    def _require_only_one(self, fields: TrustedIssuerFields, sign_in: SignInFields) -> None:
        for other in self._store.of_people():
            if other.id == fields.id or other.sign_in is None:
                continue
            if other.issuer == fields.issuer:
                raise InvalidField("issuer", f"is where people sign in already, as {other.id}")
            if sign_in.only and other.sign_in["only"]:
                raise InvalidField("sign_in.only", f"{other.id} is the only way to sign in already")

    def _write_secret(self, row: TrustedIssuerRow, sign_in: SignInFields) -> None:
        """One that is not given stays."""
        if sign_in.client_secret is None:
            return
        secret = sign_in.client_secret.get_secret_value()
        had = row.sealed_secret is not None
        row.sealed_secret = self._secrets.seal(row.id, secret) if secret else None
        if secret or had:
            self._note("secret_set" if secret else "secret_removed", row.id)

    def _write_roles(self, row: TrustedIssuerRow, roles: Sequence[GroupRole]) -> None:
        """Users who lose one keep no access token with its scopes."""
        stored = self._stored_roles(row.id)
        new = [each for each in roles if each not in stored]
        self._require_named_here(new)
        lost = [row for mapping, row in stored.items() if mapping not in roles]
        losing = {user for row in lost for user in self._store.remove_role(row)}
        for mapping in new:
            self._store.add_role(row.id, mapping)
        self._session.flush()
        self._store.forget_groups(row.id, {each.group for each in roles})
        self._session.flush()
        if not self._revocations.revoke_access_of(losing):
            self._note("tokens_not_revoked", row.id)

    def _stored_roles(self, issuer_id: str) -> dict[GroupRole, ProviderRoleRow]:
        return {
            GroupRole(group=row.group, role=row.role_name, audience=row.audience_id): row
            for row in IdentityStore(self._session).roles_of(issuer_id)
        }

    def _require_named_here(self, roles: Sequence[GroupRole]) -> None:
        """`InvalidField` unless a role with rights at the issuer names its audience."""
        own = self._authority.own_audience
        elsewhere = [each for each in roles if each.audience != own]
        scopes = self._store.scopes_of_roles({each.role for each in elsewhere})
        if any(parse(scope).is_of_issuer for scope in scopes):
            problem = f"a role has scopes of the issuer itself: it must name the audience {own}"
            raise InvalidField("sign_in.roles", problem)

    def _require_reachable(self, member: str, url: str, fields: TrustedIssuerFields) -> None:
        """`InvalidField` if the URL will be fetched from where nothing may be fetched."""
        require_https(member, url, self._own_url)
        if names_private_address(url) and not fields.allow_private_addresses:
            raise InvalidField(member, "names a private address: set allow_private_addresses")

    def _release(self, row: TrustedIssuerRow, *, cascade: bool) -> dict[str, Any]:
        clients = self._store.clients_of(row.id)
        users = self._store.users_of(row.id, _MAX_NAMED)
        named = [client.client_id for client in clients[:_MAX_NAMED]]
        using = [*(f"client {client_id}" for client_id in named), *(f"user {it}" for it in users)]
        if using and not cascade:
            raise InUse(TRUSTED_ISSUER.kind, row.id, using[:_MAX_NAMED])
        for client in clients:
            client.set_trusts([each for each in client.trusts if each["issuer"] != row.id])
        self._session.flush()
        return {"released": named, **({"unlinked": [*users]} if users else {})}


def _require_of_admin(row: TrustedIssuerRow) -> None:
    """`NotAllowed` where others chose the keys: with them they could be anybody who signs in."""
    given = Grantor(row.given_by, row.given_as)
    if not given.is_admin:
        raise NotAllowed(
            f"{given.by or 'An unknown actor'} made or changed the trusted issuer {row.id} without"
            " issuer:admin, and could be anybody who signs in there. Delete it and create it again."
        )


def _reaches_more(before: TrustedIssuerFields | None, after: TrustedIssuerFields) -> bool:
    """Whether something else than before may be fetched from private addresses."""
    if not after.allow_private_addresses:
        return False
    decisive = ("issuer", "keys", "ca_certificate", "allow_private_addresses")
    changed = any(getattr(before, name, None) != getattr(after, name) for name in decisive)
    return changed or (before is not None and before.disabled > after.disabled)


def evident(issuer: str, stored: Sequence[TrustedIssuerResource]) -> TrustedIssuerFields:
    """The only one `stored` for this `iss`, or what to create for that of GitHub or GitLab.

    Whoever may write trusted issuers may make one for any `iss`, with keys of their own.
    """
    published = None
    if issuer in _PLATFORMS:
        members = {"id": _PLATFORMS[issuer], "issuer": issuer, "keys": {"discovery": True}}
        published = TrustedIssuerFields.read(members)
    if len(stored) > 1:
        ids = ", ".join(each.id for each in stored)
        raise InvalidField("issuer", f"name one: {ids} are for {issuer}")
    for each in stored:
        if published and (each.keys != published.keys or each.ca_certificate):
            what = f"does not use the keys that {issuer} publishes"
            raise InvalidField("issuer", f"{each.id} {what}: name it if it is right")
        return each
    if published is None:
        raise NotFound("trusted issuer for", issuer)
    return published
